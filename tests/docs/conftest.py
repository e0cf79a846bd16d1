from flowengine.run.platform import prepare

prepare(2)

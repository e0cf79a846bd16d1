"""What restarts a pod: run-time settings that were asked for, never another version's defaults."""

from pydantic import Field, create_model

from flowapi.revision import RuntimeSettings
from flowapi.spec import EngineSpec, FlowSpec, parse_spec
from flowoperator.objects.settings import asked_settings, settings_hash

FLOW = {"variables": {"x": {"shape": [2]}}, "terms": [{"atom": "l1", "arg": "x"}], "stop": {"maxIterations": 1}}

RECORDED = {
    "plain": "3e5f8f0acbe34084",
    "memory": "484cae55f7b9b26f",
    "cadence": "33d801d5163ced51",
    "grace": "d6e4270ccdea52a1",
}


def hash_of(**spec):
    found, document = parse_spec({"flow": FLOW, **spec})
    return settings_hash(asked_settings(found, RuntimeSettings.of(found, document)))


def test_the_hashes_of_an_earlier_version_stand():
    recorded = {
        "plain": hash_of(),
        "memory": hash_of(engine={"resources": {"limits": {"memory": "1Gi"}}}),
        "cadence": hash_of(checkpoint={"everyIterations": 7}),
        "grace": hash_of(terminationGracePeriodSeconds=30),
    }
    assert recorded == RECORDED


def test_a_new_key_with_a_default_restarts_nothing():
    newer = create_model("EngineSpec", __base__=EngineSpec, colour=(str, Field("blue")))
    spec, document = parse_spec({"flow": FLOW, "engine": {"priorityClassName": "high"}})
    settings = RuntimeSettings.of(spec, document)
    engine = newer.model_validate({"priorityClassName": "high"})
    after = FlowSpec.model_construct(_fields_set=spec.model_fields_set, **{**dict(spec), "engine": engine})
    assert asked_settings(after, settings) == asked_settings(spec, settings)


def test_what_belongs_to_the_revision_is_no_setting():
    assert hash_of(engine={"image": "a:1", "env": [{"name": "A", "value": "1"}]}) == hash_of(engine={})
    assert hash_of(suspend=True, deletionPolicy="Delete") == hash_of()

"""What `helm test` says where the apiserver can't be reached."""

import asyncio

from flowoperator.check import check
from flowoperator.settings import Settings


class Unreachable:
    async def listing(self, kind, namespace, **_):
        raise TimeoutError


def test_an_apiserver_that_does_not_answer_is_a_sentence():
    sentence = asyncio.run(check(Unreachable(), Settings("engine:1")))
    assert sentence == "the apiserver does not answer (TimeoutError()). Look at the pod's network."

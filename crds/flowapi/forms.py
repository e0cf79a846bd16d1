"""The forms of texts: each a regular expression that Rust, Go and Python read alike, and its words for people.

The models check the expression; the CRD has the same one as a CEL rule with the same words.
"""

from flowapi.frozen import frozen

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = rf"({_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"([A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?"

NAME = "^[A-Za-z_][A-Za-z0-9_]*$"
LABEL = f"^{_LABEL}$"
SUBDOMAIN = f"^{_SUBDOMAIN}$"
QUALIFIED = f"^{_QUALIFIED}$"
QUALIFIED_OR_NONE = f"^({_QUALIFIED})?$"
LABEL_VALUE = "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
QUANTITY = r"^[0-9]+(\.[0-9]+)?([munk]|[KMGTPE]i|[MGTPE]|[eE][-+]?[0-9]{1,2})?$"
SIZE = r"^[0-9]+(\.[0-9]+)?(k|[KMGTPE]i|[MGTPE]|[eE]\+?[0-9]{1,2})?$"
RESOURCE = rf"^(cpu|memory|ephemeral-storage|{_SUBDOMAIN}/[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?)$"
IMAGE = rf"^({_HOST}/)?{_PART}(/{_PART})*(:[A-Za-z0-9_][-A-Za-z0-9_.]{{0,127}})?(@[a-z0-9]+:[0-9a-f]{{32,128}})?$"
ENTRY = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"
REVISION = "^[0-9a-f]{10}$"
CHECKPOINT = "^[0-9]{12}-e[0-9]{6,10}-[0-9a-f]{6}$"
CHECKPOINT_OF = "^[0-9a-f]{10}/[0-9]{12}-e[0-9]{6,10}-[0-9a-f]{6}$"
WAVELET = r"^[a-z]+[0-9.]*$"
LONGEST_PREFIX = 253


@frozen
class Form:
    """What a text is, in words.

    Attributes:
        wanted: A noun for a text of this form.
        remedy: How it is written: a sentence.
        prefixed: Whether what stands before a `/` is the name of a domain, and bounded as such.
    """

    wanted: str
    remedy: str
    prefixed: bool = False


_KEY = "Write `name` or `example.com/name`: 63 letters, digits, `-`, `_` or `.`, a letter or digit first and last."
FORMS = {
    NAME: Form("name here", "A name has letters, digits and underscores, and no digit first."),
    LABEL: Form("name here", "A name has lower-case letters, digits and hyphens, and no hyphen first or last."),
    SUBDOMAIN: Form(
        "name of a Kubernetes object",
        "It has lower-case letters, digits, hyphens and dots, a letter or digit first and last and beside each dot.",
    ),
    QUALIFIED: Form("key of a label", _KEY, prefixed=True),
    QUALIFIED_OR_NONE: Form("key of a label", _KEY, prefixed=True),
    LABEL_VALUE: Form(
        "value of a label", "It has at most 63 letters, digits, `-`, `_` or `.`, a letter or digit first and last."
    ),
    QUANTITY: Form("quantity", "Write it like 500m, 2, 1.5Gi or 2e9."),
    SIZE: Form("size of a volume", "Write it like 10Gi."),
    RESOURCE: Form(
        "resource of a container",
        "Write cpu, memory, ephemeral-storage, or a device with its domain: nvidia.com/gpu.",
        prefixed=True,
    ),
    IMAGE: Form("reference to an image", "Write it like registry.example/name:tag or name@sha256:…, in lower case."),
    WAVELET: Form("name of a wavelet", "Write it like `haar`, `db4` or `sym8`."),
    REVISION: Form("hash of a revision", "It has ten hexadecimal digits: see status.revisions."),
    CHECKPOINT: Form("name of a checkpoint", "Write it like 000000012000-e000003-1a2b3c: see status.checkpoint.id."),
    CHECKPOINT_OF: Form(
        "checkpoint of a revision", "Write it like 1a2b3c4d5e/000000012000-e000003-1a2b3c: see status.revisions."
    ),
    ENTRY: Form("entry point", "Write it like `package.module:function`."),
}


def is_prefix_short(text: str) -> bool:
    """Whether what stands before a `/` can be the name of a domain, by its length."""
    return text.find("/") <= LONGEST_PREFIX

"""How a flow is worked on, and what is kept of a sampler's draws."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from flowapi.model import DocumentFinding, Model, Name, Number, Positive, PositiveInt, one_of

SAMPLERS = {"ula": "langevin", "mala": "langevin", "myula": "langevin", "leapfrog": "symplectic", "hmc": "symplectic"}
Kind = Literal["mean", "var", "cov", "quantiles", "rhat", "ess"]


class Policy(Model):
    """How the energy is minimised or sampled; what is left out, the compiler chooses."""

    family: Literal["basic", "preconditioned", "accelerated", "langevin", "symplectic"] = "basic"
    algorithm: (
        Literal["pg", "fista", "pd3o", "admm", "palm", "rgd", "ula", "mala", "myula", "leapfrog", "hmc"] | None
    ) = None
    step: Annotated[Positive | Literal["backtracking"] | None, one_of("a number above 0, or `backtracking`,")] = None
    restart: Literal["gradient", "none"] = "gradient"
    preconditioner: Literal["jacobi"] | None = None
    metropolis: Annotated[bool, Field(strict=True)] = False
    temperature: Number = 1.0
    smoothing: Positive | None = None
    trajectory: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 10
    threads: Annotated[int, Field(strict=True, ge=1, le=256)] = 2
    _for_samplers: ClassVar[tuple[str, ...]] = ("metropolis", "temperature", "smoothing", "trajectory")

    @property
    def sampler(self) -> str | None:
        """The family, where it samples."""
        if self.algorithm is not None:
            return SAMPLERS.get(self.algorithm)
        return self.family if self.family in SAMPLERS.values() else None

    @property
    def samples(self) -> bool:
        """Whether it draws samples instead of approaching a point."""
        return self.sampler is not None

    @property
    def diagonal(self) -> bool:
        """Whether steps are scaled entry by entry."""
        return self.preconditioner is not None or self.family == "preconditioned"

    @property
    def momentum(self) -> bool:
        """Whether gradient steps are to have momentum: unless something is asked for that has none.

        A step that somebody gives is one of gradient descent, which may be twice as long.
        """
        if self.algorithm is not None:
            return self.algorithm == "fista"
        free = "family" not in self.model_fields_set and not isinstance(self.step, int | float)
        return self.family == "accelerated" or free

    @model_validator(mode="after")
    def _consistent(self) -> "Policy":
        given = self.model_fields_set
        wanted = SAMPLERS.get(self.algorithm or "")
        if (
            self.algorithm
            and "family" in given
            and (self.family if self.family in SAMPLERS.values() else None) != wanted
        ):
            raise DocumentFinding(f"`{self.algorithm}` is not of the family `{self.family}`", path="algorithm",
                                  remedy="Keep one of them.")  # fmt: skip
        for key in self._for_samplers:
            if key in given and not self.samples:
                raise DocumentFinding(
                    "only samplers have this key", path=key, remedy="Add `family: langevin`, or remove it."
                )
        if self.metropolis and self.algorithm in ("ula", "myula", "leapfrog"):
            raise DocumentFinding(
                f"`{self.algorithm}` has no Metropolis step", path="metropolis", remedy="Use `mala` or `hmc`."
            )
        if self.temperature < 0 or (self.temperature == 0 and self.sampler != "symplectic"):
            raise DocumentFinding("a temperature must be above 0", path="temperature", remedy="Leave it out for 1.")
        if self.samples and isinstance(self.step, str):
            raise DocumentFinding(
                "a sampler's step must be a number", path="step", remedy="Write one, or leave it out."
            )
        return self


class Output(Model):
    """A statistic of a variable's draws, all chains together: one of its kinds names the variable.

    Draws up to iteration `burn` don't count. Moments see every draw; quantiles, rhat and ess up to `keep` of each
    chain, evenly spaced from there to the end and at least `thin` apart.
    """

    mean: Name | None = None
    var: Name | None = None
    cov: Name | None = None
    quantiles: Name | None = None
    rhat: Name | None = None
    ess: Name | None = None
    burn: Annotated[int, Field(strict=True, ge=0, le=2**53)] = 0
    keep: Annotated[int, Field(strict=True, ge=4, le=1_000_000)] | None = None
    thin: PositiveInt = 1
    at: Annotated[tuple[Number, ...], Field(min_length=1, max_length=99)] = (0.05, 0.25, 0.5, 0.75, 0.95)

    @property
    def kind(self) -> str:
        """Which statistic."""
        return next(str(kind) for kind in get_args(Kind) if getattr(self, kind) is not None)

    @property
    def variable(self) -> str:
        """Of which variable."""
        return str(getattr(self, self.kind))

    @property
    def of_draws(self) -> bool:
        """Whether it needs the draws themselves."""
        return self.kind in ("quantiles", "rhat", "ess")

    @model_validator(mode="after")
    def _one_kind(self) -> "Output":
        if sum(getattr(self, kind) is not None for kind in get_args(Kind)) != 1:
            known = ", ".join(get_args(Kind))
            raise DocumentFinding(f"an output has one of {known}", remedy="Write it like `{mean: x, burn: 200}`.")
        unused = {"keep", "thin"} if not self.of_draws else set()
        if self.quantiles is None:
            unused.add("at")
        for key in sorted(unused & self.model_fields_set):
            raise DocumentFinding(f"`{self.kind}` has no such key", path=key, remedy="Remove it.")
        if not all(0 <= level <= 1 for level in self.at):
            raise DocumentFinding("quantiles must be between 0 and 1", path="at")
        return self

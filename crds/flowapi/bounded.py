"""Whole numbers and switches as Kubernetes takes them: of 32 bits, and nothing that merely looks like one."""

from typing import Annotated

from pydantic import Field

LARGEST = 2**31 - 1
Whole = Annotated[int, Field(strict=True, ge=0, le=LARGEST)]
Count = Annotated[int, Field(strict=True, ge=1, le=LARGEST)]
Flag = Annotated[bool, Field(strict=True)]

"""Diligence's part of the console."""

from typing import Final

from ringfence.diligence.routes import router
from ringfence.web.shell import Module

MODULE: Final = Module(package="diligence", router=router)

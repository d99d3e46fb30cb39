"""For all tests: nothing fails for being slow on a busy machine."""

from hypothesis import settings

settings.register_profile("monopod", deadline=None)
settings.load_profile("monopod")

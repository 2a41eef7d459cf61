from hypothesis import settings

# The first example pays for imports and warm-up, and the machine may be busy: time is no property.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

"""What builds the files in `fitting/assets`; not part of the packages that are installed."""

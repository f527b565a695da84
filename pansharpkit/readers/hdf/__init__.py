"""HDF5 files and the arrays in them."""

"""The files of the media host: made when first asked for, or by their names."""

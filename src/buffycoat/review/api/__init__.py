"""The JSON API, ``/api/v1``: thin routes over the functions that pages use as well."""

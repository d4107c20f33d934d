"""From files of interactions to arrays: format, parallel parsing, cache, filters, splits, attributes."""

"""Athena over the JSON API of AWS: botocore signs, a checked door dials, rows become Arrow."""

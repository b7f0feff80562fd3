"""Data roots in a bucket: on S3, Google Cloud Storage or Azure Blob Storage, and what speaks as S3.

obstore, which the extra `s3` installs, makes the requests.
"""

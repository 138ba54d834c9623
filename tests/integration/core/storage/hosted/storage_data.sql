-- Data of schema storage as a hosted project dumps it: made up objects, real columns.
SET session_replication_role = replica;
SET client_encoding = 'UTF8';

COPY storage.buckets (id, name, owner, created_at, updated_at, public, avif_autodetection, file_size_limit, allowed_mime_types, owner_id, type, versioning_status) FROM stdin;
avatars	avatars	\N	2026-03-01 10:00:00.123456+00	2026-03-01 10:00:00.123456+00	t	f	1048576	{image/*}	\N	STANDARD	DISABLED
papers	papers	6f1cd1a3-6b0c-4f0b-8d52-1f5a8f2a7d10	2026-03-02 10:00:00+00	2026-03-02 10:00:00+00	f	f	\N	\N	6f1cd1a3-6b0c-4f0b-8d52-1f5a8f2a7d10	STANDARD	DISABLED
\.

COPY storage.buckets_analytics (name, type, format, created_at, updated_at, id, deleted_at) FROM stdin;
\.

COPY storage.buckets_vectors (id, type, created_at, updated_at) FROM stdin;
\.

COPY storage.iceberg_namespaces (id, bucket_name, name, created_at, updated_at, metadata, catalog_id) FROM stdin;
\.

COPY storage.iceberg_tables (id, namespace_id, bucket_name, name, location, created_at, updated_at, remote_table_id, shard_key, shard_id, catalog_id) FROM stdin;
\.

COPY storage.objects (id, bucket_id, name, owner, created_at, updated_at, last_accessed_at, metadata, version, owner_id, user_metadata, archived_at, is_delete_marker, is_versioned) FROM stdin;
0b7b1e38-21a0-4b6a-9c0f-0c7f5a1f1a01	avatars	ann/Me.png	6f1cd1a3-6b0c-4f0b-8d52-1f5a8f2a7d10	2026-03-03 10:00:00.5+00	2026-03-03 10:00:00.5+00	2026-03-03 10:00:00.5+00	{"eTag": "\\"d41d8cd98f00b204e9800998ecf8427e\\"", "size": 3, "mimetype": "image/png", "cacheControl": "max-age=3600", "lastModified": "2026-03-03T10:00:00.000Z", "contentLength": 3, "httpStatusCode": 200}	7c3a2a0e-6f2e-4d0e-8a7a-2b1f6a3b9c01	6f1cd1a3-6b0c-4f0b-8d52-1f5a8f2a7d10	\N	\N	f	f
0b7b1e38-21a0-4b6a-9c0f-0c7f5a1f1a02	papers	2026/Tax (1).pdf	6f1cd1a3-6b0c-4f0b-8d52-1f5a8f2a7d10	2026-03-04 10:00:00+00	2026-03-05 10:00:00+00	2026-03-04 10:00:00+00	{"eTag": "\\"0cc175b9c0f1b6a831c399e269772661\\"", "size": 1, "mimetype": "application/pdf", "cacheControl": "no-cache", "lastModified": "2026-03-04T10:00:00.000Z", "contentLength": 1, "httpStatusCode": 200}	7c3a2a0e-6f2e-4d0e-8a7a-2b1f6a3b9c02	6f1cd1a3-6b0c-4f0b-8d52-1f5a8f2a7d10	{"year": "2025"}	\N	f	f
0b7b1e38-21a0-4b6a-9c0f-0c7f5a1f1a03	papers	.emptyFolderPlaceholder	\N	2026-03-04 10:00:00+00	2026-03-04 10:00:00+00	\N	\N	\N	\N	\N	\N	f	f
\.

COPY storage.s3_multipart_uploads (id, in_progress_size, upload_signature, bucket_id, key, version, owner_id, created_at, user_metadata, metadata) FROM stdin;
u1	0	sig	papers	big.bin	7c3a2a0e-6f2e-4d0e-8a7a-2b1f6a3b9c03	\N	2026-03-04 10:00:00+00	\N	\N
\.

COPY storage.s3_multipart_uploads_parts (id, upload_id, size, part_number, bucket_id, key, etag, owner_id, version, created_at) FROM stdin;
0b7b1e38-21a0-4b6a-9c0f-0c7f5a1f1a04	u1	5	1	papers	big.bin	"e"	\N	7c3a2a0e-6f2e-4d0e-8a7a-2b1f6a3b9c03	2026-03-04 10:00:00+00
\.

COPY storage.vector_indexes (id, name, bucket_id, data_type, dimension, distance_metric, metadata_configuration, created_at, updated_at) FROM stdin;
\.

RESET ALL;

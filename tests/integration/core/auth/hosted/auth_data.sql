-- Data of schema auth as a hosted project dumps it: made up people, real columns.
SET session_replication_role = replica;
SET client_encoding = 'UTF8';

COPY auth.audit_log_entries (instance_id, id, payload, created_at, ip_address) FROM stdin;
00000000-0000-0000-0000-000000000000	5a0d9f5c-6f6e-4b77-8f57-0d5f6f0a0001	{"action":"login","actor_id":"3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a01","actor_username":"ann@example.com","actor_via_sso":false,"log_type":"account"}	2026-03-01 10:00:00.123456+00	
\.

COPY auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, invited_at, confirmation_token, confirmation_sent_at, recovery_token, recovery_sent_at, email_change_token_new, email_change, email_change_sent_at, last_sign_in_at, raw_app_meta_data, raw_user_meta_data, is_super_admin, created_at, updated_at, phone, phone_confirmed_at, phone_change, phone_change_token, phone_change_sent_at, email_change_token_current, email_change_confirm_status, banned_until, reauthentication_token, reauthentication_sent_at, is_sso_user, deleted_at, is_anonymous) FROM stdin;
00000000-0000-0000-0000-000000000000	3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a01	authenticated	authenticated	ann@example.com	$2a$10$E2zvN9rke87UjWahykO2Yu.BbO5DotGgJDVvZxv6h.Jr4p1/o3en.	2026-03-01 10:00:00.123456+00	\N		\N	75c204438ae16d5cfa341d2575db4aeea47375d9f1677a7a61528e79	2099-01-01 00:00:00+00			\N	2026-03-01 10:00:00.123456+00	{"provider": "email", "providers": ["email", "google"]}	{"sub": "3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a01", "name": "Ann", "email": "ann@example.com", "email_verified": true, "phone_verified": false}	\N	2026-03-01 10:00:00.123456+00	2026-03-01 10:00:00.123456+00	\N	\N			\N		0	\N		\N	f	\N	f
00000000-0000-0000-0000-000000000000	3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a02	authenticated	authenticated	\N	$argon2id$v=19$m=64,t=1,p=1$YSBzYWx0IG9mIDE2IGJ5Lg$Vvwk0XhFACGi2+k4LziJsummeDLwaoP5AUpXc5y1tv4	\N	\N		\N		\N			\N	\N	{"provider": "phone", "providers": ["phone"]}	{"name": "Ben"}	\N	2026-03-01 10:00:00.123456+00	2026-03-01 10:00:00.123456+00	491555000111	2026-03-01 10:00:00.123456+00			\N		0	\N		\N	f	\N	f
\.

COPY auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at, id) FROM stdin;
3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a01	3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a01	{"sub": "3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a01", "email": "ann@example.com", "email_verified": true, "phone_verified": false}	email	2026-03-01 10:00:00.123456+00	2026-03-01 10:00:00.123456+00	2026-03-01 10:00:00.123456+00	1d2e3f40-1111-4222-8333-444455550001
108000000000000000001	3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a01	{"iss": "https://accounts.google.com", "sub": "108000000000000000001", "email": "ann@example.com", "email_verified": true}	google	2026-03-01 10:00:00.123456+00	2026-03-01 10:00:00.123456+00	2026-03-01 10:00:00.123456+00	1d2e3f40-1111-4222-8333-444455550002
3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a02	3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a02	{"sub": "3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a02", "email_verified": false, "phone_verified": false}	phone	2026-03-01 10:00:00.123456+00	2026-03-01 10:00:00.123456+00	2026-03-01 10:00:00.123456+00	1d2e3f40-1111-4222-8333-444455550003
\.

COPY auth.sessions (id, user_id, created_at, updated_at, factor_id, aal, not_after, refreshed_at, user_agent, ip, tag, oauth_client_id, refresh_token_hmac_key, refresh_token_counter, scopes) FROM stdin;
7b1f1d3e-97c4-4bde-8a2e-2f1f5f3b9c11	3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a02	2026-03-01 10:00:00.123456+00	2026-03-01 10:00:00.123456+00	\N	aal1	\N	2026-03-01 11:00:00	Mozilla/5.0	203.0.113.7	\N	\N	\N	\N	\N
\.

COPY auth.mfa_amr_claims (session_id, created_at, updated_at, authentication_method, id) FROM stdin;
7b1f1d3e-97c4-4bde-8a2e-2f1f5f3b9c11	2026-03-01 10:00:00.123456+00	2026-03-01 10:00:00.123456+00	password	9a8b7c6d-0000-4000-8000-000000000001
\.

COPY auth.mfa_factors (id, user_id, friendly_name, factor_type, status, created_at, updated_at, secret, phone, last_challenged_at, web_authn_credential, web_authn_aaguid, last_webauthn_challenge_data) FROM stdin;
0f1e2d3c-0000-4000-8000-000000000001	3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a01	phone app	totp	verified	2026-03-01 10:00:00.123456+00	2026-03-01 10:00:00.123456+00	JBSWY3DPEHPK3PXP	\N	\N	\N	\N	\N
\.

COPY auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to, created_at, updated_at) FROM stdin;
0a0b0c0d-0000-4000-8000-000000000001	3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a01	recovery_token	75c204438ae16d5cfa341d2575db4aeea47375d9f1677a7a61528e79	ann@example.com	2026-03-01 10:00:00	2026-03-01 10:00:00
\.

COPY auth.refresh_tokens (instance_id, id, token, user_id, revoked, created_at, updated_at, parent, session_id) FROM stdin;
00000000-0000-0000-0000-000000000000	41	a1b2c3d4e5f6	3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a02	t	2026-03-01 10:00:00.123456+00	2026-03-01 10:00:00.123456+00	\N	7b1f1d3e-97c4-4bde-8a2e-2f1f5f3b9c11
00000000-0000-0000-0000-000000000000	42	hosted7token	3f6d8a52-0f0c-4a35-9c5e-0d8a5c1f0a02	f	2026-03-01 10:00:00.123456+00	2026-03-01 10:00:00.123456+00	a1b2c3d4e5f6	7b1f1d3e-97c4-4bde-8a2e-2f1f5f3b9c11
\.

SELECT pg_catalog.setval('auth.refresh_tokens_id_seq', 42, true);
RESET ALL;

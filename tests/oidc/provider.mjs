// A certified OpenID Connect provider (oidc-provider) on a loopback port, for the tests of sign-in
// by an identity provider. Who signs in is said by the request itself: login_hint is the account.
// argv: port, and for https the files of a key and a certificate. stdin: JSON with the accounts.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import Provider from 'oidc-provider';

const [port, key, certificate] = process.argv.slice(2);
const { accounts, redirects, pkce } = JSON.parse(readFileSync(0, 'utf8'));
const scheme = key ? 'https' : 'http';
const issuer = `${scheme}://localhost:${port}`;
const client = (id, method) => ({
  client_id: id,
  client_secret: 'the-secret-of-a-test-client/+ and %',
  redirect_uris: redirects,
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: method,
});

const provider = new Provider(issuer, {
  clients: [client('test-client', 'client_secret_basic'), client('posting', 'client_secret_post')],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'picture', 'updated_at', 'groups'] },
  conformIdTokenClaims: false,
  pkce: { required: () => pkce, methods: ['S256'] },
  features: { devInteractions: { enabled: false }, userinfo: { enabled: true } },
  issueRefreshToken: async () => true,
  findAccount: (_ctx, sub) => accounts[sub] && { accountId: sub, claims: () => ({ ...accounts[sub], sub }) },
  cookies: { keys: ['a test has no secrets'] },
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope('openid email profile offline_access');
    await grant.save();
    return grant;
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
});

// Keycloak has other addresses for the same things.
const PATHS = { auth: '/auth', token: '/token', userinfo: '/me' };
const keycloak = /^\/realms\/test\/protocol\/openid-connect\/(auth|token|userinfo)(?=$|\?)/;
const answer = provider.callback();

async function serve(request, response) {
  const match = keycloak.exec(request.url);
  if (match) request.url = PATHS[match[1]] + request.url.slice(match[0].length);
  if (!request.url.startsWith('/interaction/')) return answer(request, response);
  const { params } = await provider.interactionDetails(request, response);
  const known = params.login_hint && accounts[params.login_hint];
  const result = known
    ? { login: { accountId: params.login_hint } }
    : { error: 'access_denied', error_description: 'The user said no & left' };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

const server = key
  ? https.createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, serve)
  : http.createServer(serve);
server.listen(Number(port), '127.0.0.1', () => console.log('ready'));

// A real OpenID Connect provider on loopback, with the people it is given.
// usage: node serve.js  < {"port", "client_id", "client_secret", "redirect_uri", "people": {name: password}}
import { readFileSync } from 'node:fs';
import Provider from 'oidc-provider';

const settings = JSON.parse(readFileSync(0, 'utf8'));
const issuer = `http://127.0.0.1:${settings.port}`;

const page = (action, fields) => `<!doctype html><form method="post" action="${action}">${fields}</form>`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: settings.client_id,
      client_secret: settings.client_secret,
      redirect_uris: [settings.redirect_uri],
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
  ],
  claims: { openid: ['sub'], profile: ['preferred_username', 'name', 'groups'], email: ['email', 'email_verified'] },
  // Claims are asked for at the userinfo endpoint, as with most providers.
  conformIdTokenClaims: true,
  features: { devInteractions: { enabled: false } },
  pkce: { required: () => true },
  cookies: { keys: ['loopback'] },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      preferred_username: id,
      name: id,
      email: `${id}@example.org`,
      email_verified: true,
      groups: ['admin', 'instructors'],
    }),
  }),
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
});

const readBody = async (request) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  return new URLSearchParams(body);
};

provider.use(async (context, next) => {
  if (!context.path.startsWith('/interaction/')) return next();
  const { prompt, params, session, grantId } = await provider.interactionDetails(context.req, context.res);
  if (context.method === 'GET') {
    const fields =
      prompt.name === 'login' ? '<input name="login"><input name="password" type="password">' : 'Agree?';
    context.type = 'html';
    context.body = page(context.path, fields);
    return undefined;
  }
  const form = await readBody(context.req);
  let result;
  if (prompt.name === 'login') {
    const login = form.get('login');
    if (!login || settings.people[login] !== form.get('password')) {
      context.status = 401;
      context.body = 'wrong name or password';
      return undefined;
    }
    result = { login: { accountId: login } };
  } else {
    const grant = grantId
      ? await provider.Grant.find(grantId)
      : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    const { missingOIDCScope, missingOIDCClaims } = prompt.details;
    if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
    if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
    result = { consent: { grantId: await grant.save() } };
  }
  const target = await provider.interactionResult(context.req, context.res, result, {
    mergeWithLastSubmission: true,
  });
  context.redirect(target);
  return undefined;
});

provider.listen(settings.port, '127.0.0.1', () => console.log(`listening at ${issuer}`));

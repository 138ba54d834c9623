// PostGraphile 5 by its own Node server, as its documentation sets it up: one process, a pool, the
// role and the claims of the token set for each request, nothing of development switched on.
import { createServer } from "node:http";
import jsonwebtoken from "jsonwebtoken";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { PostGraphileConnectionFilterPreset } from "postgraphile-plugin-connection-filter";

const secret = process.env.JWT_SECRET;

function pgSettings(authorization) {
  const token = /^Bearer (.+)$/i.exec(authorization ?? "")?.[1];
  if (!token) return { role: "anon" };
  const claims = jsonwebtoken.verify(token, secret, { algorithms: ["HS256"] });
  return { role: claims.role, "request.jwt.claims": JSON.stringify(claims) };
}

const preset = {
  extends: [PostGraphileAmberPreset, PostGraphileConnectionFilterPreset],
  pgServices: [
    makePgService({
      connectionString: process.env.DATABASE_URL,
      schemas: ["public"],
      poolConfig: { max: Number(process.env.POOL) },
    }),
  ],
  grafast: {
    explain: false,
    context: (ctx) => ({ pgSettings: pgSettings(ctx.node?.req.headers.authorization) }),
  },
  grafserv: { graphqlPath: "/graphql", graphiql: false, watch: false },
};

const instance = postgraphile(preset);
const serv = instance.createServ(grafserv);
const server = createServer();
await serv.addTo(server);
server.listen(Number(process.env.PORT), "127.0.0.1");

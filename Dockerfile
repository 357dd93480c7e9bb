# One Aorta server. Run it with a volume for its keys, users and contacts:
#   docker build -t aorta . && docker run --name aorta --stop-timeout 15 --network host -v aorta:/var/lib/aorta aorta up --domain example.com
#   docker exec aorta node node/bin/aorta.mjs status
FROM node:24-slim AS build
WORKDIR /aorta
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json ./
COPY dht-schema dht-schema
COPY node node
RUN node node_modules/typescript/bin/tsc -p . && npm prune --omit=dev

FROM node:24-slim
ENV NODE_ENV=production AORTA_DATA=/var/lib/aorta
WORKDIR /aorta
COPY LICENSE LICENSE-APACHE LICENSE-MIT package.json ./
COPY node/bin node/bin
COPY --from=build /aorta/node_modules node_modules
COPY --from=build /aorta/dist dist
RUN mkdir -p "$AORTA_DATA" && chown node:node "$AORTA_DATA"
USER node
VOLUME /var/lib/aorta
EXPOSE 5060/udp 5060/tcp 4060/tcp
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["node", "node/bin/aorta.mjs", "status"]
ENTRYPOINT ["node", "node/bin/aorta.mjs"]
CMD ["up"]

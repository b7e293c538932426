"use strict";

// The contract. In front of a simulated cloud, where the page has a key, its examples speak of
// the newest connect operation, so that Execute finds the plan, connection and backup they name;
// where nothing was connected yet, at least of the newest backup.
async function contract(key, ids) {
  let text = await (await fetch("openapi.json")).text();
  if (key) {
    const headers = { Authorization: `Bearer ${key}` };
    const answer = await fetch("v1/operations?limit=200", { headers });
    const { items = [] } = await answer.json();
    const newest = items.find((each) => each.kind === "connect" && each.backup_ids.length > 0);
    if (newest) {
      text = text
        .replaceAll(ids.operation, newest.id)
        .replaceAll(ids.plan, newest.plan_id)
        .replaceAll(ids.connection, newest.connection_id)
        .replaceAll(ids.backup, newest.backup_ids[0]);
    } else {
      const backups = await (await fetch("v1/backups?limit=1", { headers })).json();
      const id = backups.items?.[0]?.id;
      text = id ? text.replaceAll(ids.backup, id) : text;
    }
  }
  return JSON.parse(text);
}

// Starts Swagger UI. The page has no inline code, so that its policy can forbid any.
async function start() {
  const answer = await fetch("docs/credentials.json");
  const { api_key: key, example_ids: ids } = await answer.json();
  const ui = SwaggerUIBundle({
    spec: await contract(key, ids),
    dom_id: "#swagger-ui",
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayOperationId: true,
    displayRequestDuration: true,
    docExpansion: "list",
    filter: true,
    persistAuthorization: true,
    requestSnippetsEnabled: true,
    tryItOutEnabled: true,
    validatorUrl: null,
    onComplete: () => {
      if (key) {
        ui.preauthorizeApiKey("api_key", key);
      }
    },
  });
  window.ui = ui;
}

start();

"use strict";

// Starts Swagger UI. The page has no inline code, so that its policy can forbid any.
async function start() {
  const answer = await fetch("docs/credentials.json");
  const { api_key: key } = await answer.json();
  const ui = SwaggerUIBundle({
    url: "openapi.json",
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

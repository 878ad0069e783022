// Server-sent events over fetch: unlike EventSource it can show a token and be told where to go on.

/** Reads `response` until it ends; calls `told(name, data)` for each event, data parsed as JSON. */
export async function readEvents(response, told) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += decoder.decode(value, { stream: true });
    const events = rest.split("\n\n");
    rest = events.pop();
    for (const event of events) dispatch(event, told);
  }
}

function dispatch(event, told) {
  let name = "message";
  let data = "";
  for (const line of event.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon <= 0) continue;
    if (line.startsWith("event")) name = line.slice(colon + 2);
    else if (line.startsWith("data")) data += line.slice(colon + 2);
  }
  if (data) told(name, JSON.parse(data));
}

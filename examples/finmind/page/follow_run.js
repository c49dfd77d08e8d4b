// Follows a run from a browser: calls `show` with the run whenever it changes, and returns how it ended.
//
// `EventSource` cannot send an access token; `fetch` can, and reads the same stream. Pages and API share one origin
// (see "From a browser" in docs/web-app.md). A stream that breaks, or ends after ten minutes, is opened again, with the
// token that is valid then: `accessToken` is asked each time, for a token lives less long than a run may take.
//
//   import { followRun } from "./follow_run.js";
//   const end = await followRun({ accessToken, runId, show: (run) => console.log(run.status, run.fetched) });

export async function followRun({ accessToken, runId, show, api = "", signal = undefined }) {
  for (let failures = 0; ; ) {
    const stream = await fetch(`${api}/bank-connections/import-runs/${runId}/progress`, {
      headers: { Authorization: `Bearer ${await accessToken()}`, Accept: "text/event-stream" },
      signal,
    });
    if (!stream.ok) {
      const problem = await stream.json();
      if (stream.status !== 503 || ++failures > 5) throw new Error(problem.message);
      await new Promise((resume) => setTimeout(resume, 1000 * failures));
      continue;
    }
    try {
      for await (const { event, data } of events(stream.body)) {
        failures = 0;
        if (event === "end") return data;
        if (event === "progress") show(data);
      }
    } catch (error) {
      if (signal?.aborted || ++failures > 5) throw error;
    }
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.search(/\r?\n\r?\n/)) >= 0; text = text.slice(end).replace(/^\r?\n\r?\n/, "")) {
      const fields = { event: "message", data: "" };
      for (const line of text.slice(0, end).split(/\r?\n/)) {
        const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
        if (name === "data") fields.data += value;
        else if (name) fields[name] = value;
      }
      if (fields.data) yield { event: fields.event, data: JSON.parse(fields.data) };
    }
  }
}

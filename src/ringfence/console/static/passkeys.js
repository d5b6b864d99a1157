// Passkeys: a button asks the device what the server wrote beside it, and the answer goes into the fields of its form.
// Nothing is decided here: the server and its database verify every byte of the answer.

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));
const text = (buffer) =>
  btoa(Array.from(new Uint8Array(buffer), (each) => String.fromCharCode(each)).join(""))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const known = (ids) => ids.map((id) => ({ type: "public-key", id: bytes(id) }));

const ask = {
  async get(question) {
    const found = await navigator.credentials.get({
      publicKey: {
        challenge: bytes(question.challenge),
        rpId: question.rp_id,
        allowCredentials: known(question.allow),
        userVerification: "required",
      },
    });
    return {
      credential: text(found.rawId),
      client_data: text(found.response.clientDataJSON),
      authenticator_data: text(found.response.authenticatorData),
      signature: text(found.response.signature),
    };
  },

  async create(question) {
    const made = await navigator.credentials.create({
      publicKey: {
        challenge: bytes(question.challenge),
        rp: { id: question.rp_id, name: question.rp_name },
        user: { id: bytes(question.user_id), name: question.user_name, displayName: question.user_display_name },
        pubKeyCredParams: [{ type: "public-key", alg: -7 }],
        excludeCredentials: known(question.exclude),
        authenticatorSelection: { residentKey: "required", userVerification: "required" },
        attestation: "none",
      },
    });
    return {
      client_data: text(made.response.clientDataJSON),
      attestation_object: text(made.response.attestationObject),
    };
  },
};

if (window.PublicKeyCredential) {
  for (const button of document.querySelectorAll("[data-passkey]")) button.hidden = false;
}

document.addEventListener("submit", async (event) => {
  const button = event.submitter;
  const form = event.target;
  if (!button?.dataset.passkey || form.dataset.answered) return;
  event.preventDefault();
  const said = form.querySelector("[data-passkey-said]");
  if (said) said.hidden = true;
  button.disabled = true;
  try {
    const answer = await ask[button.dataset.passkey](JSON.parse(button.dataset.question));
    for (const [name, value] of Object.entries(answer)) form.elements[name].value = value;
    button.disabled = false;
    form.dataset.answered = "yes";
    form.requestSubmit(button);
  } catch {
    button.disabled = false;
    if (said) said.hidden = false;
  }
});

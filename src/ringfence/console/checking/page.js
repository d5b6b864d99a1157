// The page around proof.js and mldsa.js: what the reader brings goes in, lines come out. It keeps nothing but keys, and only those that
// the reader tells it to keep; it has no way to send anything.

import { decimal, proofIn, readKeys, REQUIRED, verify, Wrong } from "./proof.js";

const KEPT = "ringfence.keys";
const SHAPES = { holds: "✓", unchecked: "–", fails: "✗" };

// [English, Chinese]. A word in braces is a fact of the case.
const LINES = {
  file: ["The file is a proof", "文件是一份证明"],
  key: ["The key is the notary's", "公钥属于公证方"],
  signature: ["The notary signed the log", "公证方签署了日志"],
  second_signature: ["The notary's second signature", "公证方的第二签名"],
  event: ["The day stands in the log", "当日记录在日志之内"],
  figures: ["The day's figures agree", "当日各数相符"],
  day: ["Book, currency and day", "账簿、币种与日期"],
  identity: ["The line is yours", "该行属于您"],
  amount: ["Amount and balance agree", "金额与余额相符"],
  place: ["It is in the total", "已计入总额"],
  auditor: ["An auditor added everything up", "审计师清点了全体"],
  witnesses: ["Others have seen the same log", "他人见过同一日志"],
};

const SAID = {
  // what holds
  "file holds": ["Every byte is where the format says.", "逐字节符合格式。"],
  "key holds typed": ["Its fingerprint is the one that you typed.", "其指纹与您输入的一致。"],
  "key holds compared": ["You compared its fingerprint.", "您已比对其指纹。"],
  "key holds kept": ["It is the key that you kept on this device.", "与本设备所存公钥相同。"],
  "signature holds": ["{name}, with Ed25519, over {size} rows.", "{name} 以 Ed25519 签署，共 {size} 行。"],
  "second_signature holds": ["{name}, with ML-DSA-44, over the same {size} rows: it stands even if the first algorithm is broken one day.", "{name} 以 ML-DSA-44 签署同样的 {size} 行：第一种算法日后被攻破，此签名仍成立。"],
  "event holds": ["It is row {index} of {size}.", "为 {size} 行中的第 {index} 行。"],
  "figures holds": ["Owed to customers and unallocated are what the day's test asked for.", "应付客户与待认领之和，即当日测试的要求额。"],
  "day holds": ["{book}, {currency}, {day}: in the file as in the log.", "{book}、{currency}、{day}：文件与日志一致。"],
  "identity holds": ["It follows from the book and from {holder}.", "由账簿与 {holder} 推得。"],
  "amount holds": ["{balance} {currency}. Compare it with your statement.", "{balance} {currency}。请与对账单比对。"],
  "amount holds typed": ["{balance} {currency}, as you typed.", "{balance} {currency}，与您输入的一致。"],
  "place holds": ["Line {index} of {count} leads to the root that was signed.", "{count} 行中的第 {index} 行，可推得已签署的树根。"],
  "auditor holds": ["{held} signed root, total and count.", "{held} 签署了树根、总额与户数。"],
  "witnesses holds": ["{held} cosigned it.", "{held} 已联署。"],
  // what was not checked
  rests_on_another: ["Not checked: it rests on a line above.", "未核验：须以上面某行为据。"],
  browser_has_no_cryptography: ["Not checked here: this browser gives the page no cryptography. Save the page and open it from your disk.", "在此未核验：浏览器未向本页提供密码功能。请保存本页后从磁盘打开。"],
  browser_lacks_ed25519: ["Not checked here: this browser does not know Ed25519. Take a newer one, or verifier/verify.py.", "在此未核验：浏览器不支持 Ed25519。请换用较新的浏览器，或运行 verifier/verify.py。"],
  no_second_key_was_given: ["Not checked: its key of ML-DSA-44 is missing. Paste both lines of notary.vkey.", "未核验：缺少 ML-DSA-44 公钥。请粘贴 notary.vkey 的两行。"],
  no_key_was_given: ["Not checked: paste the notary's key for {origin}.", "未核验：请粘贴 {origin} 公证方的公钥。"],
  key_was_not_compared: ["Compare its fingerprint with one that you have from elsewhere. Without that, a forger's key would do as well.", "请将其指纹与从别处得到的比对。否则伪造者的公钥同样能通过。"],
  no_holder_was_given: ["The file says {holder}. Type your customer number, to know that this is you.", "文件所载为 {holder}。请输入您的客户号，以确认是您本人。"],
  no_auditor_auditor: ["No auditor signed. It shows that your amount is in the tree, not that the total is the sum of all amounts.", "无审计师签名。这表明您的金额在树中，但不表明总额即全体金额之和。"],
  no_auditor_sum: ["No auditor signed. Here the root itself binds the total, but not that everybody is in it.", "无审计师签名。此处树根本身锁定总额，但不保证全体都在其中。"],
  auditor_is_not_known: ["{names} signed; not checked, you gave no key of theirs.", "{names} 已签名；未核验，您未给出其公钥。"],
  witness_is_not_known: ["{names} cosigned; not checked, you gave no key of theirs.", "{names} 已联署；未核验，您未给出其公钥。"],
  no_witness_signed: ["Nobody else cosigned this state of the log.", "日志的这一状态无他人联署。"],
  // what fails
  json_is_not_canonical: ["It is no proof, or somebody changed it: {place} is not in its one spelling.", "这不是证明，或已被改动：{place} 不合唯一写法。"],
  file_is_too_large: ["The file is larger than any proof can be.", "文件超出证明的最大长度。"],
  file_has_other_fields: ["The field “{field}” is missing, spare or not of its kind.", "字段“{field}”缺失、多余或类型不符。"],
  note_is_malformed: ["A signed note in it is malformed.", "其中的签名笺格式有误。"],
  checkpoint_is_malformed: ["The state of the log that was signed is malformed.", "所签署的日志状态格式有误。"],
  key_is_malformed: ["“{line}” is not a public key.", "“{line}”不是公钥。"],
  key_stands_twice: ["Two different keys were given for {name}.", "{name} 有两把不同的公钥。"],
  key_is_another: ["Its fingerprint is {found}, not the one that you typed.", "其指纹为 {found}，与您输入的不同。"],
  key_has_changed: ["This is not the key of {name} that you kept on this device. Ask somebody who knows before you forget the old one.", "这不是本设备所存 {name} 的公钥。清除旧公钥之前，请向知情者查询。"],
  checkpoint_is_of_another_log: ["The log is {found}'s; your key is for {wanted}.", "日志属于 {found}，而您的公钥属于 {wanted}。"],
  note_is_not_signed: ["{name} did not sign it with the key of {algorithm} that you gave. Signatures in it: {found}.", "{name} 未以您给出的 {algorithm} 公钥签署。其中的签名：{found}。"],
  note_is_forged: ["There is a signature of {algorithm} under the name of {name}, and it does not hold: it is not by your key, or something was changed.", "有一个以 {name} 为名的 {algorithm} 签名不成立：并非出自您的公钥，或内容已被改动。"],
  receipt_has_wrong_length: ["The path through the log has a wrong length.", "日志中的路径长度不符。"],
  receipt_leads_elsewhere: ["The row is not in the log that was signed.", "该行不在已签署的日志中。"],
  row_is_malformed: ["The row is malformed at “{field}”.", "该行在“{field}”处格式有误。"],
  row_has_another_sequence: ["The row is not the one at {index}.", "该行并非第 {index} 行。"],
  proof_is_of_another_row: ["Row {index} is not about what customers are owed.", "第 {index} 行与应付客户无关。"],
  liabilities_row_is_wrong: ["What the day says of “{part}” contradicts itself.", "当日记录的“{part}”自相矛盾。"],
  proof_is_of_another_day: ["The file says {found} as its {field}, the log says {wanted}.", "文件所载 {field} 为 {found}，日志为 {wanted}。"],
  proof_has_another_id: ["The line in the tree is not that of {holder}. It is somebody else's.", "树中该行不属于 {holder}，而是他人的。"],
  holder_is_another: ["The file is about {found}, not about {typed}.", "文件关于 {found}，而非 {typed}。"],
  liability_is_not_unsigned: ["{amount} is not an amount between 0 and 2^64.", "{amount} 不在 0 与 2^64 之间。"],
  proof_has_another_amount: ["The balance is {balance}, and {amount} was counted.", "余额为 {balance}，而计入 {amount}。"],
  balance_is_another: ["The proof is about {found}, not {typed}.", "证明所载为 {found}，而非 {typed}。"],
  liability_sum_overflows: ["{left} and {right} add up to more than 64 bits hold.", "{left} 与 {right} 之和超出 64 位。"],
  liability_path_has_wrong_length: ["The path to the root has a wrong length.", "到树根的路径长度不符。"],
  proof_leads_to_another_root: ["This amount is not in the total that was signed.", "该金额不在已签署的总额之内。"],
  liabilities_do_not_add_up: ["The path adds up to {found}, and the total says {said}.", "路径合计为 {found}，而总额为 {said}。"],
  attestation_is_of_another_tree: ["{name} signed other figures than these.", "{name} 签署的是另一组数。"],
};

const VERDICTS = {
  valid: ["Your money is in the total", "您的钱在总额之内"],
  open: ["Not decided yet", "尚无定论"],
  not_valid: ["This proof does not hold", "此证明不成立"],
};
const UNDER = {
  valid: [
    "At the end of {day} you had {balance} {currency}, and it is part of the {total} {currency} that {name} signed. Both its signatures were checked, Ed25519 and ML-DSA-44.",
    "{day} 日终您有 {balance} {currency}，已计入 {name} 所签署的 {total} {currency} 总额。Ed25519 与 ML-DSA-44 两个签名均已核验。",
  ],
  open: ["Nothing is wrong so far. This is still missing, or cannot be done here:", "目前未见异常。以下尚缺，或在此无法完成："],
  not_valid: ["See below what fails. Do not rely on it; ask the platform, and show it to the auditor.", "不成立之处见下。请勿据以为信；可询问平台，并交审计师查看。"],
};
const FACTS = {
  yours: ["Your balance", "您的余额"],
  total: ["Owed to all customers", "应付全体客户"],
  count: ["Customers", "客户数"],
  unallocated: ["Not allocated yet", "待认领"],
  resource: ["Kept apart for them", "为其隔离存放"],
  difference: ["More than needed", "超出所需"],
  short: ["Missing", "缺口"],
  negative: ["Customers below zero", "余额为负的客户"],
  bank: ["{account}: the bank's closing balance", "{account}：银行日终余额"],
  statement: ["statement {statement}, fingerprint {fingerprint}", "对账单 {statement}，指纹 {fingerprint}"],
};
const OWN = {
  title: ["Is my money in the total? · Ringfence", "我的钱在总额里吗？ · Ringfence"],
  language: ["中文", "English"],
  opened: ["{name} is open.", "已打开 {name}。"],
  unreadable: ["{name} cannot be read.", "无法读取 {name}。"],
  broke_off: ["The check broke off in this browser; nothing is decided. Try a newer browser, or verifier/verify.py.", "核验在此浏览器中断，没有结论。请换用较新的浏览器，或运行 verifier/verify.py。"],
  no_file: ["Choose a file first.", "请先选择文件。"],
  fingerprint: ["Fingerprint of {name}:", "{name} 的指纹："],
  kept: ["This is the key that you kept on this device.", "与本设备所存公钥相同。"],
  half: ["The second line of notary.vkey is missing: this is the fingerprint of the first one alone.", "缺少 notary.vkey 的第二行：此为仅第一行的指纹。"],
  no_notary: ["Among these keys is none of a notary (Ed25519).", "其中没有公证方公钥（Ed25519）。"],
  cosigners: ["Auditors and witnesses: {names}", "审计师与见证方：{names}"],
  keep: ["Keep these keys on this device", "将公钥存于本设备"],
  is_kept: ["The keys are kept on this device. The next proof must be signed by them.", "公钥已存于本设备，今后的证明须由其签署。"],
  cannot_keep: ["This browser does not let the page keep anything.", "浏览器不允许本页保存任何内容。"],
};

const byId = (id) => document.getElementById(id);
const chinese = () => document.documentElement.lang === "zh-Hans";
let content = null; // of the file that is open
let last = null; // what was found in it
let status = null; // what is said beside the file

function say(pair, facts = {}) {
  return pair[chinese() ? 1 : 0].replace(/\{(\w+)\}/g, (_, name) => String(facts[name] ?? "–") || "–");
}

function made(tag, kind, ...inside) {
  const found = document.createElement(tag);
  found.className = kind;
  found.append(...inside);
  return found;
}

// Keys that were kept

function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT));
    return found && typeof found.text === "string" && found.notaries ? found : { text: "", notaries: {} };
  } catch {
    return { text: "", notaries: {} };
  }
}

function keep(result) {
  const before = kept();
  const notaries = { ...before.notaries, [result.notary.name]: result.notary.file };
  const lines = new Set([...before.text.split("\n"), ...byId("keys").value.split("\n")].map((each) => each.trim()));
  try {
    localStorage.setItem(KEPT, JSON.stringify({ text: [...lines].filter(Boolean).join("\n"), notaries }));
    return true;
  } catch {
    return false;
  }
}

async function showKeys() {
  const box = byId("known");
  const inside = [];
  try {
    const { notaries, cosigners } = await readKeys(byId("keys").value);
    for (const each of notaries) {
      inside.push(made("p", "soft", say(OWN.fingerprint, each)), made("p", "fingerprint", each.fingerprint.replace(/(.{4})(?!$)/g, "$1 ")));
      if (!each.second) inside.push(made("p", "", say(OWN.half)));
      if (kept().notaries[each.name] === each.file) inside.push(made("p", "", `✓ ${say(OWN.kept)}`));
    }
    if (!notaries.length && cosigners.length) inside.push(made("p", "", say(OWN.no_notary)));
    const names = [...new Set(cosigners.map((each) => each.name))].join(", ");
    if (names) inside.push(made("p", "soft", say(OWN.cosigners, { names })));
  } catch (no) {
    inside.push(made("p", "", say(no instanceof Wrong ? SAID[no.name] : SAID.browser_has_no_cryptography, no.facts)));
  }
  box.replaceChildren(...inside);
  box.hidden = !inside.length;
}

// What was found

function sentence(line) {
  if (line.state !== "holds") return say(SAID[line.reason], line.facts);
  const how = line.facts.how ?? (line.facts.typed === true ? "typed" : "");
  return say(SAID[`${line.name} holds ${how}`] ?? SAID[`${line.name} holds`], line.facts);
}

function figures(result) {
  const { says, proof } = result;
  const money = (amount) => `${decimal(amount, says.decimals)} ${says.currency}`;
  const told = [
    [say(FACTS.yours), money(proof.balance)],
    [say(FACTS.total), money(says.total)],
    [say(FACTS.count), decimal(BigInt(says.count), 0)],
    [say(FACTS.unallocated), money(says.unallocated)],
    [say(FACTS.resource), money(says.resource)],
    [say(says.difference < 0n ? FACTS.short : FACTS.difference), money(says.difference < 0n ? -says.difference : says.difference)],
  ];
  if (says.negative_count) told.push([say(FACTS.negative), `${says.negative_count}: ${money(says.negative_total)}`]);
  const facts = made("dl", "facts", ...told.map(([name, value]) => made("div", "", made("dt", "", name), made("dd", "", value))));
  for (const each of says.statements) {
    const of = made("span", "soft", ` · ${say(FACTS.statement, each)}`);
    facts.append(made("div", "wide", made("dt", "", say(FACTS.bank, each)), made("dd", "", money(each.closing), of)));
  }
  return facts;
}

function show() {
  const box = byId("result");
  box.hidden = !last;
  if (!last) return;
  const { verdict, lines, proof, says, notary } = last;
  const told = says && proof && { day: says.day, currency: says.currency, name: notary?.name, total: decimal(says.total, says.decimals), balance: decimal(proof.balance, says.decimals) };
  const head = made("div", `verdict ${verdict}`, made("strong", "", `${{ valid: "✓", open: "–", not_valid: "✗" }[verdict]} ${say(VERDICTS[verdict])}`), made("p", "", say(UNDER[verdict], told || {})));
  const auditor = lines.find((each) => each.name === "auditor");
  if (verdict === "valid" && auditor.state !== "holds") head.append(made("p", "", sentence(auditor)));
  const missing = lines.filter((one) => one.state === "unchecked" && REQUIRED.includes(one.name) && one.reason !== "rests_on_another");
  for (const each of verdict === "open" ? missing : lines.filter((one) => one.state === "fails")) {
    head.append(made("p", "", made("b", "", sentence(each))));
  }
  const rows = lines.map((each) => {
    const row = made("li", each.state, made("span", "shape", SHAPES[each.state]), made("span", "title", say(LINES[each.name])), made("span", "said", sentence(each)));
    row.dataset.line = each.name;
    row.dataset.reason = each.reason ?? "";
    return row;
  });
  box.dataset.verdict = verdict;
  box.replaceChildren(head, ...(told && verdict !== "not_valid" ? [figures(last)] : []), made("ul", "lines", ...rows));
  if (verdict === "valid" && kept().notaries[notary.name] !== notary.file) {
    const button = made("button", "", say(OWN.keep));
    button.type = "button";
    button.id = "keep";
    button.addEventListener("click", () => {
      button.replaceWith(made("p", "", say(keep(last) ? OWN.is_kept : OWN.cannot_keep)));
      byId("forget").hidden = !kept().text;
      showKeys();
    });
    box.append(made("div", "buttons", button));
  }
}

function stale() {
  last = null;
  show();
}

async function open(file) {
  content = null; // until it is read: nobody is told about the file before
  stale();
  try {
    content = proofIn(new Uint8Array(await file.arrayBuffer()));
    showStatus(OWN.opened, { name: file.name });
  } catch {
    content = null;
    showStatus(OWN.unreadable, { name: file.name });
  }
}

function showStatus(...said) {
  status = said.length ? said : status;
  byId("opened").textContent = status ? say(...status) : "";
  byId("opened").hidden = !status;
}

async function check(event) {
  event.preventDefault();
  if (!content) {
    showStatus(OWN.no_file);
    byId("file").focus();
    return;
  }
  const given = {
    holder: byId("holder").value,
    balance: byId("balance").value,
    keys: byId("keys").value,
    fingerprint: byId("fingerprint").value,
    compared: byId("compared").checked,
    kept: kept().notaries,
  };
  try {
    last = await verify(content, given);
  } catch {
    showStatus(OWN.broke_off); // a defect of ours, or a browser that lacks something: it decides nothing
    return;
  }
  show();
  byId("result").focus();
  byId("result").scrollIntoView({ block: "start" });
}

function speak(language) {
  document.documentElement.lang = language;
  document.title = say(OWN.title);
  byId("language").textContent = say(OWN.language);
  byId("language").lang = chinese() ? "en" : "zh-Hans";
  showStatus();
  showKeys();
  show();
}

byId("language").addEventListener("click", () => speak(chinese() ? "en" : "zh-Hans"));
byId("file").addEventListener("change", (event) => event.target.files[0] && open(event.target.files[0]));
byId("check").addEventListener("submit", check);
for (const id of ["holder", "balance", "keys", "fingerprint", "compared"]) byId(id).addEventListener("input", stale);
byId("keys").addEventListener("input", () => {
  byId("compared").checked = false;
  showKeys();
});
byId("forget").addEventListener("click", () => {
  localStorage.removeItem(KEPT);
  byId("forget").hidden = true;
  stale();
  showKeys();
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  byId("drop").classList.add("over");
});
document.addEventListener("dragleave", () => byId("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  byId("drop").classList.remove("over");
  if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
});

byId("keys").value = kept().text;
byId("forget").hidden = !kept().text;
byId("save").hidden = location.protocol === "file:";
byId("check").hidden = false;
byId("language").hidden = false;
speak(navigator.language.toLowerCase().startsWith("zh") ? "zh-Hans" : "en");

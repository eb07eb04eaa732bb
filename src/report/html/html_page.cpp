#include "html_page.hpp"

namespace pgeist::report {

namespace {

// The policy makes a browser refuse whatever the page would load from elsewhere; there is no script at all.
constexpr const char* head = R"html(<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<style>
:root { --ink: #1c2330; --dim: #5b6575; --paper: #ffffff; --line: #d9dee6; --soft: #f3f5f8; --curve: #2563a8;
  --area: #2563a822; --wait: #d98a0040; --lock: #c0392b; --good: #1e7b45; --bad: #b3261e; --new: #1e7b4522; --gone: #b3261e22; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --dim: #9aa5b5; --paper: #14181f; --line: #323a46; --soft: #1d232c; --curve: #6fb0f2;
    --area: #6fb0f230; --wait: #f0b34a40; --lock: #ff7b6b; --good: #5fcf8c; --bad: #ff8a80; --new: #5fcf8c26; --gone: #ff8a8026; } }
@media print {
  :root { --ink: #000; --dim: #444; --paper: #fff; --line: #bbb; --soft: #f3f3f3; --curve: #205493; --area: #20549322;
    --wait: #d98a0040; --lock: #c0392b; --good: #14532d; --bad: #8c1d18; --new: #1e7b4522; --gone: #b3261e22; }
  body { margin: 0; max-width: none; font-size: 10pt; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  figure, tr, .verdict { break-inside: avoid; } h2 { break-after: avoid; } @page { margin: 15mm; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1000px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.verdict { padding: .6rem .9rem; border-left: 4px solid; background: var(--soft); overflow-wrap: anywhere; }
.good { border-color: var(--good); } .good strong { color: var(--good); }
.bad { border-color: var(--bad); } .bad strong { color: var(--bad); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dt { color: var(--dim); }
dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th { text-align: left; color: var(--dim); font-weight: 600; } th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: anywhere; } .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.schema { table-layout: fixed; font: 12px/1.5 ui-monospace, monospace; } .schema .same { color: var(--dim); }
.new td:last-child, .other td:last-child { background: var(--new); } .gone td:first-child, .other td:first-child { background: var(--gone); }
figure { margin: 1rem 0; } figcaption { font-weight: 600; font-size: .9rem; } svg { width: 100%; height: auto; display: block; }
svg text { font: 11px system-ui, sans-serif; fill: var(--dim); } svg .name { fill: var(--ink); font-weight: 600; }
.band0 { fill: var(--soft); } .band1 { fill: var(--line); fill-opacity: .75; } .wait { fill: var(--wait); }
.grid { stroke: var(--line); stroke-width: 1; } .lock { stroke: var(--lock); stroke-width: 1.5; stroke-dasharray: 3 2; }
.curve { fill: none; stroke: var(--curve); stroke-width: 1.8; stroke-linejoin: round; } .area { fill: var(--area); }
.legend { color: var(--dim); font-size: .85rem; } .key { display: inline-block; width: 1rem; height: .7rem; margin: 0 .3rem 0 .8rem; }
.key.wait { background: var(--wait); } .key.lock { width: 0; border-left: 2px dashed var(--lock); }
.notes { list-style: none; padding: 0; font-size: .9rem; } .notes li { padding: .2rem 0; overflow-wrap: anywhere; }
.notes .n { display: inline-block; min-width: 4.5rem; color: var(--dim); } .warning { color: var(--ink); font-weight: 600; } .error { color: var(--bad); }
footer { margin: 3rem 0 1rem; color: var(--dim); font-size: .85rem; }
</style>
)html";

}  // namespace

std::string page_of(const std::string& title, const std::string& body) {
    return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n" + std::string(head) + "<title>" + title +
           "</title>\n</head>\n<body>\n" + body + "<footer>Written by pgeist.</footer>\n</body>\n</html>\n";
}

}  // namespace pgeist::report

// For a comment in a pull request.

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "../rule.hpp"
#include "fields.hpp"

namespace pgeist::lint {

namespace {

/// Text in a table's cell: nothing of it is markup.
std::string cell(std::string_view text) {
    std::string out;
    for (const char c : one_line(text)) {
        if (std::string_view("\\`*_{}[]<>|#~").find(c) != std::string_view::npos) {
            out += '\\';
        }
        out += c;
    }
    return out;
}

/// In backquotes, more of them than the text has in a row.
std::string code(const std::string& text) {
    std::size_t longest = 0;
    std::size_t now = 0;
    std::string plain;
    for (const char c : one_line(text)) {
        now = c == '`' ? now + 1 : 0;
        longest = std::max(longest, now);
        plain += c == '|' ? std::string("\\|") : std::string(1, c);
    }
    const std::string quotes(longest + 1, '`');
    const std::string space = longest > 0 ? " " : "";
    return quotes + space + plain + space + quotes;
}

std::string block(const std::vector<std::string>& lines) {
    std::string out = "\n```sql\n";
    for (const std::string& each : lines) {
        std::string line = one_line(each);
        for (std::size_t at = 0; (at = line.find("```", at)) != std::string::npos; at += 3) {
            line.replace(at, 3, "'''");
        }
        out += line + "\n";
    }
    return out + "```\n";
}

const char* icon(level how_bad) {
    return how_bad == level::error ? "🛑 error" : how_bad == level::warning ? "⚠️ warning" : "ℹ️ info";
}

std::string work_of(const probe::effect& does) {
    std::string text;
    const auto add = [&](const char* what, const std::vector<std::string>& names) {
        text += names.empty() ? "" : fmt::format("{}{} {}", text.empty() ? "" : "; ", what, joined(names));
    };
    add("rewrites", does.rewrites);
    add("scans", does.scans);
    add("builds", does.builds);
    return text;
}

}  // namespace

std::string as_markdown(const report& found, const settings& options) {
    std::string out = "### Migration check by pgeist\n\n" + cell(summary(found, options)) + "\n";
    // One row a statement, with its worst finding.
    std::map<std::pair<std::string, std::string>, const finding*> worst;
    std::vector<const finding*> rows;
    for (const finding& each : found.findings) {
        if (each.suppressed || each.statement.empty()) {
            continue;
        }
        const auto key = std::pair(each.file, fmt::format("{}:{}", each.line, each.statement));
        const finding*& known = worst[key];
        if (known == nullptr || each.how_bad > known->how_bad) {
            if (known != nullptr) {
                std::replace(rows.begin(), rows.end(), known, &each);
            } else {
                rows.push_back(&each);
            }
            known = &each;
        }
    }
    if (!rows.empty()) {
        out += "\n| where | statement | locks | work | verdict |\n|---|---|---|---|---|\n";
    }
    for (const finding* each : rows) {
        out += fmt::format("| {}:{} | {} | {} | {} | {} {} |\n", cell(each->file), each->line,
                           code(shortened(normalised(each->statement), 80)), cell(lock_list(each->does)),
                           cell(work_of(each->does)), icon(each->how_bad), cell(each->rule));
    }
    for (const finding& each : found.findings) {
        if (each.suppressed || each.how_bad == level::info) {
            continue;
        }
        out += fmt::format("\n**{}** {}:{} `{}`: {}\n", icon(each.how_bad), cell(each.file), each.line, each.rule,
                           cell(each.message));
        out += each.instead.empty() ? "" : block(each.instead);
    }
    if (!found.gaps.empty()) {
        out += "\nNot analysed:\n";
        for (const not_analysed& each : found.gaps) {
            out += fmt::format("- {}:{}: {}\n", cell(each.file), each.line, cell(each.why));
        }
    }
    return out;
}

}  // namespace pgeist::lint

#include "pgeist/plan/change_request.hpp"

#include <fmt/format.h>

namespace pgeist::plan {

namespace {

/// White space runs become one blank, so that layout does not make two changes of one.
std::string on_one_line(const std::string& text) {
    std::string line;
    char quote = 0;
    for (const char c : text) {
        const bool blank = quote == 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r');
        if (quote == 0 && (c == '\'' || c == '"')) {
            quote = c;
        } else if (c == quote) {
            quote = 0;
        }
        if (!blank) {
            line += c;
        } else if (!line.empty() && line.back() != ' ') {
            line += ' ';
        }
    }
    while (!line.empty() && (line.back() == ' ' || line.back() == ';')) {
        line.pop_back();
    }
    return line;
}

}  // namespace

std::string change_request::describe() const {
    std::vector<std::string> parts;
    for (const auto& alter : alters) {
        parts.push_back(on_one_line(alter));
    }
    for (const auto& set : sets) {
        parts.push_back("SET " + on_one_line(set));
    }
    if (repack) {
        parts.push_back("REPACK" + (order_by ? " ORDER BY " + on_one_line(*order_by) : std::string()));
    }
    return fmt::format("{}: {}", table.display(), join(parts, "; "));
}

}  // namespace pgeist::plan

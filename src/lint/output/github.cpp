// Workflow commands of GitHub Actions: annotations at the lines of a pull request.

#include <fmt/format.h>

#include "fields.hpp"

namespace pgeist::lint {

namespace {

/// What the runner's toolkit escapes in messages, and besides in properties.
std::string escaped(std::string_view text, bool property) {
    std::string out;
    for (const char c : text) {
        const bool special = c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ','));
        out += special ? fmt::format("%{:02X}", static_cast<unsigned char>(c)) : std::string(1, c);
    }
    return out;
}

const char* command_of(level how_bad) {
    return how_bad == level::error ? "error" : how_bad == level::warning ? "warning" : "notice";
}

}  // namespace

std::string as_github(const report& found) {
    std::string out;
    for (const finding& each : found.findings) {
        if (each.suppressed || each.how_bad == level::info) {
            continue;
        }
        std::string message = each.message;
        for (std::size_t at = 0; at < each.instead.size(); ++at) {
            message += (at == 0 ? "\nInstead: " : "\n") + each.instead[at];
        }
        out += fmt::format("::{} file={},line={},endLine={},col={},title={}::{}\n", command_of(each.how_bad),
                           escaped(each.file, true), each.line, std::max(each.end_line, each.line), each.column,
                           escaped("pgeist: " + each.rule, true), escaped(message, false));
    }
    for (const not_analysed& each : found.gaps) {
        out += fmt::format("::notice file={},line={},title={}::{}\n", escaped(each.file, true), each.line,
                           escaped("pgeist: not analysed", true), escaped(each.why, false));
    }
    return out;
}

}  // namespace pgeist::lint

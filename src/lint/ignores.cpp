#include "ignores.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

namespace pgeist::lint {

namespace {

std::string_view trimmed(std::string_view text) {
    const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    while (!text.empty() && space(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && space(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

std::string_view content(std::string_view comment) {
    if (comment.starts_with("--")) {
        return trimmed(comment.substr(2));
    }
    return trimmed(comment.size() >= 4 ? comment.substr(2, comment.size() - 4) : std::string_view());
}

bool continues_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || (c >= 'A' && c <= 'Z');
}

/// RULE[, RULE] [reason]
void read_rules(std::string_view text, ignore& into) {
    text = trimmed(text);
    if (text.starts_with(":")) {
        text = trimmed(text.substr(1));
    }
    while (!text.empty()) {
        std::size_t end = 0;
        while (end < text.size() && continues_name(text[end])) {
            ++end;
        }
        if (end == 0) {
            break;
        }
        into.rules.emplace_back(text.substr(0, end));
        text = trimmed(text.substr(end));
        if (!text.starts_with(",")) {
            break;
        }
        text = trimmed(text.substr(1));
    }
    into.reason = text;
}

std::optional<ignore> read_one(std::string_view comment, bool foreign_too) {
    const std::string_view text = content(comment);
    struct word {
        std::string_view text;
        bool whole_file, foreign;
    };
    static constexpr word words[] = {{"pgeist-ignore-file", true, false},
                                     {"pgeist-ignore", false, false},
                                     {"squawk-ignore-file", true, true},
                                     {"squawk-ignore", false, true}};
    for (const word& each : words) {
        const std::string_view rest =
            text.starts_with(each.text) ? text.substr(each.text.size()) : std::string_view("x");
        const bool ends = rest.empty() || !continues_name(rest.front());
        if (!text.starts_with(each.text) || !ends || (each.foreign && !foreign_too)) {
            continue;
        }
        ignore found;
        found.whole_file = each.whole_file;
        found.foreign = each.foreign;
        read_rules(rest, found);
        return found;
    }
    return std::nullopt;
}

/// The statement that a comment is about: the one whose semicolon stands before it on its line, the one around it, or
/// the next.
std::optional<std::size_t> step_of(const ddl::migration& file, const ddl::comment& comment) {
    const auto next = std::find_if(file.steps.begin(), file.steps.end(),
                                   [&](const ddl::step& each) { return each.what.end > comment.begin.offset; });
    if (next != file.steps.begin() && (next == file.steps.end() || next->what.begin.offset > comment.begin.offset)) {
        const auto before = std::prev(next);
        if (before->what.end_line == comment.begin.line) {
            return static_cast<std::size_t>(before - file.steps.begin());
        }
    }
    if (next == file.steps.end()) {
        return std::nullopt;
    }
    return static_cast<std::size_t>(next - file.steps.begin());
}

}  // namespace

std::vector<ignore> find_ignores(const ddl::migration& file, bool foreign_too) {
    std::vector<ignore> all;
    for (const ddl::comment& each : file.comments) {
        auto found = read_one(each.text, foreign_too);
        if (!found) {
            continue;
        }
        found->line = each.begin.line;
        found->column = each.begin.column;
        const auto step = step_of(file, each);
        found->placed = step.has_value();
        found->step = step.value_or(0);
        all.push_back(std::move(*found));
    }
    return all;
}

}  // namespace pgeist::lint

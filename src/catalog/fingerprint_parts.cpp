#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/core/identifier.hpp"

namespace pgeist::catalog {

namespace {

/// The first fields of `(a,"b ""c""",…`.
std::vector<std::string> fields_of(const std::string& row) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (std::size_t at = 1; at < row.size(); ++at) {
        const char c = row[at];
        if (c == '"') {
            const bool doubled = quoted && at + 1 < row.size() && row[at + 1] == '"';
            quoted = doubled || !quoted;
            if (doubled) {
                fields.back() += row[++at];
            }
        } else if (c == ',' && !quoted) {
            fields.emplace_back();
        } else {
            fields.back() += c;
        }
    }
    return fields;
}

struct kind_of_part {
    const char* words;
    std::size_t name;  ///< the field that names it; 0: none does
};

const std::map<std::string, kind_of_part>& kinds() {
    static const std::map<std::string, kind_of_part> all = {
        {"table", {"the table's own properties", 0}},
        {"rights", {"the rights on it (GRANT or REVOKE)", 0}},
        {"column", {"column", 2}},
        {"column rights", {"the rights on column", 2}},
        {"default", {"the default of column number", 1}},
        {"index", {"index", 1}},
        {"constraint", {"constraint", 1}},
        {"trigger", {"trigger", 1}},
        {"internal trigger", {"the state of a constraint's triggers", 0}},
        {"rule", {"rule", 1}},
        {"policy", {"policy", 1}},
        {"inheritance", {"its parents or children", 0}},
        {"ancestor", {"the bounds of a partitioned table above it", 0}},
        {"default partition", {"the DEFAULT partition beside it", 0}},
        {"beside the default partition", {"the partitions beside it", 0}},
        {"statistics", {"statistics", 1}},
        {"publication", {"its place in a publication", 0}},
        {"subscription", {"a subscription", 0}},
        {"sequence", {"sequence", 1}},
        {"view", {"view", 1}},
        {"view column", {"the columns of a view", 0}},
        {"view index", {"index of a materialized view", 1}},
        {"trigger elsewhere", {"another table's trigger", 2}},
        {"function", {"function", 2}},
        {"policy elsewhere", {"another table's policy", 2}},
        {"default elsewhere", {"a default of another table", 0}},
        {"extension", {"what depends on an extension", 0}},
        {"security label", {"a security label", 0}},
    };
    return all;
}

bool is_comment(const std::string& kind) { return kind.rfind("comment", 0) == 0; }

/// Of objects that have a part of their own, this one says no more.
constexpr const char* dependency = "what depends on it";

}  // namespace

std::string name_part(const std::string& row) {
    const auto fields = fields_of(row);
    const auto found = kinds().find(fields.front());
    if (found == kinds().end()) {
        return is_comment(fields.front()) ? "a comment" : dependency;
    }
    const auto& kind = found->second;
    if (kind.name != 0 && kind.name < fields.size() && fields[kind.name].rfind("........pg.dropped.", 0) == 0) {
        return dependency;  // what is left of a dropped column
    }
    return kind.name == 0 || kind.name >= fields.size()
               ? std::string(kind.words)
               : fmt::format("{} {}", kind.words, display_identifier(fields[kind.name]));
}

std::string changed_parts(const std::vector<std::string>& before, const std::vector<std::string>& now) {
    std::map<std::string, std::pair<bool, bool>> names;  // was there, is there
    const auto note = [&](const std::vector<std::string>& here, const std::vector<std::string>& there, bool is_now) {
        for (const auto& part : here) {
            if (!std::binary_search(there.begin(), there.end(), part)) {
                auto& seen = names[part.substr(0, part.rfind(part_separator))];
                (is_now ? seen.second : seen.first) = true;
            }
        }
    };
    note(before, now, false);
    note(now, before, true);
    if (names.size() > 1) {
        names.erase(dependency);
    }
    std::string text;
    for (const auto& [name, seen] : names) {
        const char* what = seen.first && seen.second ? "changed" : seen.second ? "added" : "dropped";
        text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", name, what);
    }
    return text;
}

}  // namespace pgeist::catalog

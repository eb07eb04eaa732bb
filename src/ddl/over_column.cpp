#include "pgeist/ddl/over_column.hpp"

#include <algorithm>

#include "pgeist/ddl/lexer.hpp"
#include "pgeist/ddl/sql_text.hpp"
#include "tree.hpp"

namespace pgeist::ddl {

namespace {

namespace json = boost::json;

const std::string head = "SELECT (";

/// Where the column stands; what else is read makes `alone` false.
struct places {
    std::string column;
    std::vector<std::size_t> found;  ///< in the expression
    bool alone = true;
};

void note(std::string_view kind, const json::object& node, places& into) {
    if (kind == "SubLink") {
        into.alone = false;
    } else if (kind == "ColumnRef") {
        const auto parts = tree::strings(tree::list(node, "fields"));
        const auto at = static_cast<std::size_t>(tree::number(node, "location"));
        if (parts.size() != 1 || tree::list(node, "fields").size() != 1 || parts[0] != into.column ||
            at < head.size()) {
            into.alone = false;
        } else {
            into.found.push_back(at - head.size());
        }
    }
}

void find(const json::value& value, places& into) {
    if (value.is_array()) {
        for (const json::value& each : value.get_array()) {
            find(each, into);
        }
    } else if (value.is_object()) {
        for (const auto& member : value.get_object()) {
            if (member.value().is_object()) {
                note(member.key(), member.value().get_object(), into);
            }
            find(member.value(), into);
        }
    }
}

}  // namespace

std::optional<expression_of_column> over_column(const std::string& text, const std::string& from,
                                                const std::string& to) {
    const auto parsed = sql_text::parse(head + text + "\n)");
    places where;
    where.column = from;
    if (!parsed.ok()) {
        return std::nullopt;
    }
    find(parsed.root, where);
    if (!where.alone || where.found.empty()) {
        return std::nullopt;
    }
    expression_of_column made;
    made.text = text;
    std::sort(where.found.begin(), where.found.end(), std::greater<>());
    const auto tokens = sql_text::scan(text);
    for (const std::size_t place : where.found) {
        const auto token =
            std::find_if(tokens.begin(), tokens.end(), [&](const auto& each) { return each.begin == place; });
        if (token == tokens.end()) {
            return std::nullopt;
        }
        made.text.replace(token->begin, token->end - token->begin, sql_name(to));
    }
    tree::contents read;
    tree::collect(parsed.root, read);
    made.functions = std::move(read.functions);
    return made;
}

}  // namespace pgeist::ddl

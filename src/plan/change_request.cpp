#include "pgeist/plan/change_request.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "json_fields.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/plan/blueprint.hpp"

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
        parts.emplace_back("REPACK");
    }
    return fmt::format("{}: {}", table.display(), join(parts, "; "));
}

std::string to_json(const change_request& value) {
    using json_fields::from;
    const boost::json::object object{
        {"table", from(value.table)},         {"alters", from(value.alters)},
        {"sets", from(value.sets)},           {"repack", value.repack},
        {"key_index", from(value.key_index)}, {"copy_order", static_cast<int>(value.order)},
    };
    return boost::json::serialize(object);
}

change_request change_request_from_json(const std::string& text) {
    try {
        const auto parsed = json_from(text);
        const auto& object = parsed.as_object();
        change_request value;
        value.table = json_fields::name(object.at("table"));
        value.alters = json_fields::texts(object, "alters");
        value.sets = json_fields::texts(object, "sets");
        value.repack = json_fields::flag(object, "repack");
        value.key_index = json_fields::optional_text(object, "key_index");
        if (object.contains("copy_order")) {
            value.order = static_cast<copy_order>(object.at("copy_order").to_number<int>());
        }
        return value;
    } catch (const std::exception& broken) {
        throw error(exit_code::failed, fmt::format("the stored change cannot be read: {}", broken.what()));
    }
}

}  // namespace pgeist::plan

#include "pgeist/tasks/reindex/request.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"

namespace pgeist::reindex {

namespace json = boost::json;

std::string request::describe() const {
    std::string what = indexes.empty() ? "REINDEX CONCURRENTLY" : "REINDEX CONCURRENTLY " + join(indexes, ", ");
    return fmt::format("{}: {}", table.display(), what);
}

std::string to_json(const request& what) {
    json::object out;
    out["table"] = json::object{{"schema", what.table.schema}, {"name", what.table.name}};
    json::array names;
    for (const std::string& each : what.indexes) {
        names.emplace_back(each);
    }
    out["indexes"] = std::move(names);
    return json::serialize(out);
}

request request_from_json(const std::string& text) {
    request what;
    try {
        const json::value parsed = json_from(text);
        const json::object& in = parsed.as_object();
        what.table.schema = std::string(in.at("table").as_object().at("schema").as_string());
        what.table.name = std::string(in.at("table").as_object().at("name").as_string());
        for (const json::value& each : in.at("indexes").as_array()) {
            what.indexes.emplace_back(each.as_string());
        }
    } catch (const std::exception& problem) {
        throw error(exit_code::failed, fmt::format("what the job was asked for cannot be read: {}", problem.what()),
                    "use the version of pgeist that started the job");
    }
    return what;
}

}  // namespace pgeist::reindex

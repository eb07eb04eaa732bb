#include "pgeist/tasks/reindex/plan.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/pg/session_profile_json.hpp"

namespace pgeist::reindex {

namespace json = boost::json;

std::string to_json(const plan& what) {
    json::object out;
    out["table"] = json::object{{"schema", what.table.schema}, {"name", what.table.name}};
    out["source_oid"] = what.source_oid;
    out["profile"] = pg::to_json(what.profile);
    if (what.file != 0) {
        out["file"] = what.file;
        out["bytes"] = what.bytes;
    }
    return json::serialize(out);
}

plan plan_from_json(const std::string& text) {
    plan what;
    try {
        const json::value parsed = json_from(text);
        const json::object& in = parsed.as_object();
        what.table.schema = std::string(in.at("table").as_object().at("schema").as_string());
        what.table.name = std::string(in.at("table").as_object().at("name").as_string());
        what.source_oid = in.at("source_oid").to_number<std::int64_t>();
        if (const json::value* file = in.if_contains("file")) {
            what.file = file->to_number<std::int64_t>();
            what.bytes = in.at("bytes").to_number<std::int64_t>();
        }
        what.profile = pg::session_profile_from_json(in.at("profile"));
    } catch (const std::exception& problem) {
        throw error(exit_code::failed, fmt::format("the job's plan cannot be read: {}", problem.what()),
                    "use the version of pgeist that started the job, or remove the job with: pgeist cleanup JOB");
    }
    return what;
}

}  // namespace pgeist::reindex

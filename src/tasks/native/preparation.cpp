#include "pgeist/tasks/native/preparation.hpp"

#include <boost/json.hpp>

#include "pgeist/core/json_text.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/pg/session_profile_json.hpp"
#include "pgeist/steps/store.hpp"

namespace pgeist::native {

namespace json = boost::json;

std::string plan_with(const pg::session_profile& profile) {
    return json::serialize(json::object{{"profile", pg::to_json(profile)}});
}

pg::session_profile profile_in(const std::string& plan) {
    const json::value stored = json_from(plan);
    const json::value* settings = stored.as_object().if_contains("profile");
    return settings == nullptr ? pg::session_profile() : pg::session_profile_from_json(*settings);
}

awaitable<job::tenure> record_job(pg::connection& session, beginning what) {
    job::beginning first;
    first.kind = what.kind;
    first.table = what.table;
    first.table_oid = what.table_oid;
    first.change = what.change;
    first.settings = what.chosen;
    first.phase = what.phase;
    const job::tenure mine = co_await job::create(session, std::move(first));
    co_await steps::save_steps(session, mine.job, what.steps);
    const auto count = static_cast<std::int64_t>(what.steps.size());
    co_await job::save_plan(session, mine.job, plan_with(session.profile()), count);
    co_return mine;
}

}  // namespace pgeist::native

#include <chrono>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "create_job.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/plan/alter.hpp"
#include "pgeist/plan/as_options.hpp"
#include "pgeist/report/text.hpp"
#include "pgeist/steps/step.hpp"
#include "pgeist/tasks/backfill/kind.hpp"
#include "pgeist/tasks/backfill/preparation.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

namespace pgeist::commands {

namespace {

std::string duration(std::int64_t ms) { return format_duration(std::chrono::milliseconds(ms)); }

/// Rows that --where does not mean keep what they have.
std::string copy_command(const fill::request& asked) {
    plan::change_request change;
    change.table = asked.table;
    change.repack = true;
    std::string text = "pgeist run " + plan::as_options(change);
    for (const std::string& each : asked.sets) {
        std::string whole = each;
        if (asked.where) {
            const plan::assignment set = plan::parse_assignment(each);
            whole = fmt::format("{0} = CASE WHEN {1} THEN {2} ELSE {0} END", display_identifier(set.column),
                                *asked.where, set.expression);
        }
        text += " --set " + plan::in_shell(whole);
    }
    return text;
}

steps::step step_of(const fill::request& asked, const fill::planned& plan, const run::settings& chosen) {
    steps::step one;
    one.number = 1;
    one.statement = asked.statement();
    one.table = plan.spec.table.display();
    one.how = steps::method::backfill;
    one.why = "rows are changed in chunks, each its own transaction, and only those that differ";
    one.evidence = probe::evidence::tried;
    probe::relation_lock lock;
    lock.relation = one.table;
    lock.mode = probe::lock_mode::row_exclusive;
    one.locks.push_back(std::move(lock));
    one.scans.push_back(one.table);
    one.blocks_ms = chosen.chunk_time.count();
    one.estimated_ms = plan.outlook.fill_ms;
    return one;
}

/// Figures on the left, what they mean on the right.
std::string describe(const fill::request& asked, const fill::planned& plan) {
    const fill::spec& what = plan.spec;
    const fill::outlook& known = plan.outlook;
    std::string text = fmt::format("plan for {}\n", asked.describe());
    const auto line = [&](const char* name, const std::string& value) {
        text += fmt::format("  {:<10}{}\n", name, value);
    };
    line("strategy", what.removes() ? "backfill: rows are deleted where they are, in chunks"
                                    : "backfill: rows are set where they are, in chunks; only those that differ");
    line("size", fmt::format("about {} rows, table {}, indexes {}", format_count(what.estimated_rows),
                             format_size(what.table_bytes), format_size(what.index_bytes)));
    line("key", display_identifier(what.key.index));
    line("differ", known.changed ? fmt::format("about {:.0f}% of the rows, by a sample", 100 * *known.changed)
                                 : std::string("not known"));
    line("time", fmt::format("about {}, without throttling", duration(known.fill_ms)));
    if (!what.removes()) {
        line("HOT", known.not_hot.empty()
                        ? "no index has a column that is set: updates can be HOT, as far as pages have room"
                        : "no update is: these indexes have a column that is set: " + join(known.not_hot, ", "));
    }
    line("triggers", known.triggers.empty() ? "none fires"
                                            : "these fire for each row that is written: " + join(known.triggers, ", "));
    line("locks", "ROW EXCLUSIVE, and the rows of a chunk for its time; writers of those wait that long at most");
    text += "\nphases\n";
    for (const task::phase& each : backfill::kind().phases()) {
        if (!each.purpose.empty()) {
            text += fmt::format("  {:<10}{}\n", each.told.name, each.purpose);
        }
    }
    text += "\nrows that the application writes later have the values that it gives them\n";
    if (!known.copy_instead.empty()) {
        text += fmt::format(
            "\nrecommended instead, since {}: a copy, without bloat, verified: about {}, in place {}\n  {}\n",
            known.copy_instead, duration(known.copy_ms), duration(known.fill_ms), copy_command(asked));
    }
    std::vector<std::string> warnings = known.warnings;
    if (!known.sample_failed.empty()) {
        warnings.push_back("a row of the sample fails: " + known.sample_failed);
    }
    if (!warnings.empty()) {
        text += "\nwarnings\n";
        for (const std::string& each : warnings) {
            text += "  " + each + "\n";
        }
    }
    return text;
}

boost::json::array as_array(const std::vector<std::string>& texts) {
    boost::json::array all;
    for (const std::string& each : texts) {
        all.emplace_back(each);
    }
    return all;
}

std::string describe_json(const fill::request& asked, const fill::planned& plan, const run::settings& chosen) {
    const fill::outlook& known = plan.outlook;
    boost::json::object object;
    object["event"] = "plan";
    object["table"] = plan.spec.table.display();
    object["change"] = asked.describe();
    object["refused"] = false;
    object["strategy"] = "backfill";
    object["estimated_rows"] = plan.spec.estimated_rows;
    object["table_bytes"] = plan.spec.table_bytes;
    object["index_bytes"] = plan.spec.index_bytes;
    object["estimated_ms"] = known.fill_ms;
    object["key"] = plan.spec.key.index;
    object["changed_percent"] = known.changed ? boost::json::value(100 * *known.changed) : boost::json::value(nullptr);
    object["triggers"] = as_array(known.triggers);
    object["not_hot"] = as_array(known.not_hot);
    object["steps"] = boost::json::array{json_from(steps::describe_json(step_of(asked, plan, chosen)))};
    object["recommended"] = known.copy_instead.empty() ? "backfill" : "copy";
    object["copy"] = boost::json::object{{"estimated_ms", known.copy_ms},
                                         {"why", known.copy_instead},
                                         {"command", known.copy_instead.empty() ? "" : copy_command(asked)}};
    boost::json::array remarks;
    for (const std::string& each : known.warnings) {
        remarks.push_back(boost::json::object{{"refuses", false}, {"message", each}, {"hint", ""}});
    }
    object["remarks"] = std::move(remarks);
    return boost::json::serialize(object);
}

std::string sql_of(const fill::request& asked, const fill::planned& plan) {
    std::string text = "SQL\n  -- in each session of the job\n" + plan.spec.profile.display();
    return text + "  -- for each chunk\n  " + asked.statement() + "\n";
}

awaitable<void> try_to_prepare(pg::connection& session, const fill::request& asked, const run::settings& chosen,
                               backfill::preparation& made) {
    made = co_await backfill::prepare(session, nullptr, asked, chosen);
}

}  // namespace

awaitable<plan_result> plan_backfill(pg::connect_options options, fill::request asked, run::settings chosen) {
    pg::pool pool(std::move(options), "pgeist plan");
    const auto session = co_await pool.acquire();
    backfill::preparation made;
    const auto trial = [&] { return try_to_prepare(*session, asked, chosen, made); };
    co_await try_on_table(*session, asked.table, trial);
    std::string text = describe(asked, made.plan);
    std::string json = report::harmless(describe_json(asked, made.plan, chosen));
    std::string sql = sql_of(asked, made.plan);
    plan_result result(exit_code::done, std::move(text), std::move(sql), std::move(json));
    co_return result;
}

}  // namespace pgeist::commands

// `pgeist run --file` and `plan --file` without a table.

#include <boost/json.hpp>
#include <fmt/format.h>

#include "copy_plan.hpp"
#include "create_job.hpp"
#include "file_choice.hpp"
#include "group_plan.hpp"
#include "make_copy.hpp"
#include "make_group.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/job/files.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/report/text.hpp"
#include "pgeist/steps/store.hpp"
#include "pgeist/supervise/carry_out.hpp"
#include "pgeist/supervise/takeover.hpp"
#include "pgeist/tasks/file/kind.hpp"
#include "pgeist/tasks/file/stored.hpp"
#include "pgeist/tasks/native/preparation.hpp"
#include "pgeist/tasks/rewrite/kind.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

namespace pgeist::commands {

namespace {

std::string called(const plan::migration_file& file) { return file.name == "-" ? "standard input" : file.name; }

/// What this database knows of the file.
struct standing {
    job::file_run next;                    ///< what is to be noted of it
    std::optional<job::known_file> known;  ///< a run of it
    std::vector<std::string> warnings;
};

/// What is given on the command line is no file: the same may be asked for again.
awaitable<standing> look_up(pg::connection& session, const file_request& what) {
    standing found;
    if (!what.tables.empty()) {
        co_return found;
    }
    found.next.name = called(what.file);
    found.next.statements = static_cast<std::int64_t>(what.file.statements.size());
    found.next.digest = co_await job::file_digest(session, what.file.identity);
    if (!what.undoes.empty()) {
        found.next.undoes = co_await job::file_digest(session, what.undoes);
    }
    found.next.before = co_await job::last_begun(session, found.next.digest);
    found.known = co_await job::find_file(session, found.next.digest);
    const auto removed = co_await job::removed_run(session, found.next.digest);
    if (removed) {
        found.warnings.push_back(
            fmt::format("{} was begun here at {}, and its job was removed before it was done: it begins at its first "
                        "statement again, whatever that run has done",
                        found.next.name, *removed));
    }
    co_return found;
}

std::string done_before(const job::known_file& known) {
    const std::string as = known.job == 0 ? "" : fmt::format(" as job {}", known.job);
    const std::string when = known.done_at.empty() ? "" : " at " + known.done_at;
    return fmt::format("{} was run here{}{}", known.name, as, when);
}

[[noreturn]] void throw_unfinished(const job::known_file& known) {
    if (known.alive) {
        throw error(exit_code::already_running, fmt::format("{} is being run, as job {}", known.name, known.job),
                    fmt::format("see how far it is: pgeist status {}", known.job));
    }
    throw error(exit_code::refused,
                fmt::format("{} was begun as job {}, and is not finished: nothing was run", known.name, known.job),
                fmt::format("go on with it: pgeist resume {0}, or remove the job: pgeist cleanup {0}", known.job));
}

void tell(const std::vector<std::string>& warnings, report::observer& observer) {
    for (const std::string& each : warnings) {
        observer.message(report::level::warning, each);
    }
}

awaitable<std::optional<std::int64_t>> record_job(supervise::session_set& sessions, pg::connection& session,
                                                  const file_request& what, const steps::choice& made,
                                                  const run::settings& chosen, job::file_run run) {
    co_await rewrite::wait_for_turn(session);
    auto profile = co_await pg::read_profile(session);
    co_await session.adopt(std::move(profile));
    co_await rewrite::make_state(session);
    co_await job::require_own_state(session, 0);
    native::beginning begins;
    begins.kind = file::kind_name;
    begins.change = file::change_of(what.file);
    begins.chosen = chosen;
    begins.phase = file::kind().phases().front().name;
    begins.steps = made.steps;
    const job::tenure first = co_await native::record_job(session, std::move(begins));
    co_await job::claim_job(*sessions.hold, first.job);
    if (what.tables.empty()) {
        run.job = first.job;
        co_await job::note_file(session, std::move(run));
    }
    const std::optional<std::int64_t> made_job = first.job;
    co_return made_job;
}

awaitable<std::optional<job::record>> make_job(supervise::session_set& sessions, const file_request& what,
                                               const run::settings& chosen, const task::kind*& kind,
                                               report::observer& observer) {
    const auto session = co_await sessions.pool.acquire();
    co_await job::bring_state_up_to_date(*session);
    std::optional<job::record> record;
    standing found = co_await look_up(*session, what);
    if (found.known && found.known->done) {
        observer.message(report::level::info, "nothing to do: " + done_before(*found.known));
        co_return record;
    }
    if (found.known) {
        throw_unfinished(*found.known);
    }
    tell(what.file.warnings, observer);
    tell(found.warnings, observer);
    co_await rewrite::require_sendable(*session, what.file.identity);
    co_await rewrite::require_sendable(*session, run::to_json(chosen));
    const steps::choice made = co_await choose_for_file(*session, what, chosen);
    throw_if_refused(what, made);
    tell(made.warnings, observer);
    if (auto copies = only_copy(what, made)) {
        recording noting;
        if (what.tables.empty()) {
            noting = [&found](pg::connection& used, std::int64_t job) {
                found.next.job = job;
                return job::note_file(used, found.next);
            };
        }
        if (copies->members.size() > 1) {
            record = co_await make_group(sessions, std::move(*copies), chosen, observer, kind, noting);
        } else {
            kind = &rewrite::kind();
            record = co_await make_copy(sessions, std::move(copies->members.front().change), chosen, observer, noting);
        }
        co_return record;
    }
    kind = &file::kind();
    const auto making = [&](pg::connection& used) {
        return record_job(sessions, used, what, made, chosen, found.next);
    };
    const qualified_name unlocked;  // it waits for no table of the user's
    record = co_await create_job(sessions, *kind, chosen.reconnect_max, unlocked, making);
    observer.job_started(record->id, "", kind->labels().strategy);
    co_return record;
}

/// The job with which an earlier run of the file has stopped; 0: none.
awaitable<std::int64_t> find_interrupted(supervise::session_set& sessions, const file_request& what) {
    const auto session = co_await sessions.pool.acquire();
    co_await job::bring_state_up_to_date(*session);
    const standing found = co_await look_up(*session, what);
    std::int64_t job = 0;
    if (found.known && !found.known->done && !found.known->alive) {
        job = found.known->job;
    }
    co_return job;
}

}  // namespace

awaitable<exit_code> start_file(pg::connect_options options, file_request what, run::settings chosen,
                                report::observer& observer) {
    std::int64_t interrupted = 0;
    if (what.resume) {
        supervise::session_set looking(options);
        interrupted = co_await find_interrupted(looking, what);
    }
    if (interrupted != 0) {
        const exit_code code = co_await resume(std::move(options), interrupted, named_values(), observer);
        co_return code;
    }
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    const task::kind* kind = nullptr;
    auto record = co_await make_job(sessions, what, chosen, kind, observer);
    if (record) {
        sessions.pool.name_sessions(job::session_name(record->id));
        co_await carry_out_and_keep(sessions, *kind, std::move(*record), observer);
    }
    co_return exit_code::done;
}

namespace {

namespace json = boost::json;

json::array texts(const std::vector<std::string>& all) {
    json::array list;
    for (const std::string& each : all) {
        list.push_back(json::object{{"refuses", false}, {"message", each}, {"hint", ""}});
    }
    return list;
}

std::string plan_json(const file_request& what, const steps::choice& made, const std::string& nothing) {
    json::object object;
    object["event"] = "plan";
    object["table"] = nullptr;
    object["change"] = file::describe_change(file::change_of(what.file));
    object["file"] = what.tables.empty() ? json::value(what.file.name) : json::value(nullptr);
    object["strategy"] = "file";
    object["refused"] = !made.refusals.empty();
    json::array steps;
    for (const steps::step& each : made.steps) {
        steps.push_back(json_from(steps::describe_json(each)));
    }
    object["steps"] = std::move(steps);
    json::array remarks;
    for (const steps::obstacle& each : made.refusals) {
        remarks.push_back(json::object{
            {"refuses", true}, {"message", place_in(what, each.line) + each.message}, {"hint", each.hint}});
    }
    for (const auto* list : {&what.file.warnings, &made.warnings}) {
        for (json::value& each : texts(*list)) {
            remarks.push_back(std::move(each));
        }
    }
    if (!nothing.empty()) {
        remarks.push_back(json::object{{"refuses", false}, {"message", nothing}, {"hint", ""}});
    }
    object["remarks"] = std::move(remarks);
    return json::serialize(object);
}

std::string plan_text(const file_request& what, const steps::choice& made, const std::string& nothing) {
    std::string text = file::describe_change(file::change_of(what.file)) + "\n";
    if (!made.steps.empty()) {
        text += "steps\n" + steps::describe(made.steps);
    }
    for (const steps::obstacle& each : made.refusals) {
        text += fmt::format("refused: {}{}\n", place_in(what, each.line), each.message);
        text += each.hint.empty() ? "" : "  " + each.hint + "\n";
    }
    for (const auto* list : {&what.file.warnings, &made.warnings}) {
        for (const std::string& each : *list) {
            text += "warning: " + each + "\n";
        }
    }
    text += nothing.empty() ? "" : nothing + "\n";
    return text;
}

}  // namespace

awaitable<plan_result> make_file_plan(pg::connect_options options, file_request what, run::settings chosen) {
    pg::pool pool(std::move(options), "pgeist plan");
    const auto session = co_await pool.acquire();
    const standing found = co_await look_up(*session, what);
    steps::choice made;
    std::string nothing;
    if (found.known && found.known->done) {
        nothing = "nothing to do: " + done_before(*found.known);
    } else {
        made = co_await choose_for_file(*session, what, chosen);
        made.warnings.insert(made.warnings.end(), found.warnings.begin(), found.warnings.end());
    }
    if (auto copies = only_copy(what, made); copies && made.refusals.empty()) {
        if (copies->members.size() > 1) {
            plan_result all = co_await plan_group(*session, std::move(*copies), std::move(chosen), made);
            co_return all;
        }
        plan::change_request change = std::move(copies->members.front().change);
        if (!what.tables.empty()) {
            chosen.method = run::method_choice::copy;
        }
        plan_result copy = co_await plan_copy(*session, std::move(change), std::move(chosen), std::move(made.steps));
        co_return copy;
    }
    exit_code code = exit_code::done;
    if (!made.refusals.empty()) {
        code = exit_code::refused;
    }
    std::string text = plan_text(what, made, nothing);
    std::string as_json = report::harmless(plan_json(what, made, nothing));
    std::string sql = steps::sql_of(made.steps);
    plan_result result(code, std::move(text), std::move(sql), std::move(as_json));
    co_return result;
}

}  // namespace pgeist::commands

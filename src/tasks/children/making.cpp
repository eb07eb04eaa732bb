#include "making.hpp"

#include <map>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/family.hpp"
#include "pgeist/job/take_on.hpp"
#include "pgeist/job/tenure.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

namespace pgeist::children {

namespace {

/// What is not answered within this time is taken for a lost connection.
constexpr auto longest_silence = std::chrono::seconds(30);

/// Its sessions are named after the parent: who takes the parent on ends them with the parent's own.
awaitable<std::unique_ptr<job::advisory_locks>> open_hold(const task::context& with) {
    auto session = co_await with.pool.open_own(job::session_name(with.mine.job));
    session->answer_within(longest_silence);
    auto hold = std::make_unique<job::advisory_locks>(std::move(session));
    co_return hold;
}

std::string escaped(const std::string& text) {
    std::string made;
    for (const char each : text) {
        made += each == ' ' || each == '\\' || (each >= '\t' && each <= '\r') ? "\\" : "";
        made += each;
    }
    return made;
}

/// What the file has SET is the default of the session in which the change is read: names are looked up, and values
/// converted, as they would be by the statement itself. The role stays who runs the job.
std::string with_settings(std::string options, const std::vector<std::pair<std::string, std::string>>& settings) {
    for (const auto& [name, value] : settings) {
        if (name != "role" && name != "session_authorization") {
            options += (options.empty() ? "-c " : " -c ") + name + "=" + escaped(value);
        }
    }
    return options;
}

// What a session begins with, in the words in which steps have it.
constexpr const char* begins_with_sql = R"sql(
    SELECT bool_and(coalesce(CASE WHEN w.name <> 'search_path' THEN s.reset_val
                                  ELSE regexp_replace(replace(s.reset_val, '"$user"', '"' || replace(current_user, '"', '""') || '"'),
                                                      '\s*,\s*', ', ', 'g') END = w.value, false))
      FROM unnest($1::text[], $2::text[]) AS w (name, value) LEFT JOIN pg_settings s ON s.name = w.name)sql";

/// Whether that is what the step is to have anyway: options at the start are nothing that every pooler lets through.
awaitable<bool> begins_with(pg::connection& session, const steps::step& of) {
    std::map<std::string, std::string> wanted;
    for (const auto& [name, value] : of.session) {
        wanted[name] = value;
    }
    std::vector<std::string> names;
    std::vector<std::string> values;
    for (const auto& [name, value] : wanted) {
        if (name != "role" && name != "session_authorization") {
            names.push_back(name);
            values.push_back(value);
        }
    }
    const std::string all_names = pg::array_literal(names);
    const std::string all_values = pg::array_literal(values);
    const pg::result row = co_await session.query(begins_with_sql, all_names, all_values);
    co_return row.is_null(0, 0) || row.boolean(0, 0);
}

awaitable<std::unique_ptr<pg::connection>> open_for_preparation(const task::context& with, const steps::step& of,
                                                                job::advisory_locks& hold) {
    const std::string name = job::session_name(with.mine.job);
    auto plain = co_await with.pool.open_own(name);
    const bool as_wanted = co_await begins_with(*plain, of);
    if (as_wanted) {
        co_return plain;
    }
    pg::connect_options options = hold.session().options();
    options.set("options", with_settings(options.get("options"), of.session));
    auto session = co_await pg::connection::open(std::move(options), name);
    const pg::result same = co_await session->query("SELECT " + job::exists_condition(hold.which()));
    if (!same.boolean(0, 0)) {
        throw error(exit_code::connection_lost, "a connection led to another server than the one before it", "");
    }
    co_return session;
}

awaitable<void> prepare(pg::connection& session, job::advisory_locks& hold, const task::context& with, const maker& by,
                        const steps::step& of, int at, made_job& made) {
    co_await job::require_tenure(session, with.mine);
    co_await session.execute("SET LOCAL lock_timeout = '5s'");
    made = co_await by.make(session, hold, with, of);
    if (!made.nothing_to_do) {
        co_await job::make_child(session, made.job, with.mine.job, of.number);
        co_await steps::save_progress(session, with.mine, of.number, steps::state::started, at);
    }
}

/// Runs prepare() and commits, unless there is nothing to do.
awaitable<void> prepare_and_commit(pg::connection& session, job::advisory_locks& hold, const task::context& with,
                                   const maker& by, const steps::step& of, int at, made_job& made) {
    std::exception_ptr failure;
    bool not_readable = false;
    try {
        co_await session.begin();
        co_await prepare(session, hold, with, by, of, at, made);
        if (!made.nothing_to_do) {
            co_await session.commit();
        }
    } catch (const pg::sql_error& problem) {
        not_readable = problem.is(pg::sqlstate::lock_not_available);
        failure = std::current_exception();
    } catch (...) {
        failure = std::current_exception();
    }
    co_await session.rollback();
    if (not_readable && !of.table.empty()) {
        co_await rewrite::throw_not_readable(session, parse_qualified_name(of.table));
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
}

}  // namespace

awaitable<std::optional<held_job>> make(const task::context& with, const maker& by, const steps::step& of, int at,
                                        std::string& why) {
    std::optional<held_job> out;
    auto hold = co_await open_hold(with);
    const auto session = co_await open_for_preparation(with, of, *hold);
    made_job made;
    co_await prepare_and_commit(*session, *hold, with, by, of, at, made);
    if (made.nothing_to_do) {
        why = *made.nothing_to_do;
        co_return out;
    }
    for (const std::string& each : made.warnings) {
        with.observer.message(report::level::warning, each);
    }
    out.emplace();
    out->record = co_await job::load(*session, made.job);
    out->hold = std::move(hold);
    co_return out;
}

awaitable<held_job> take_over(const task::context& with, const task::kind& kind, std::int64_t job) {
    held_job out;
    out.hold = co_await open_hold(with);
    // A session of its own: its lock_timeout is nobody else's, whatever comes in between.
    const auto session = co_await with.pool.open_own(job::session_name(with.mine.job));
    const job::record before = co_await job::load(*session, job);
    co_await job::require_not_restored(*session, before);
    std::vector<qualified_name> written = kind.written_tables(before);
    co_await job::claim_job(*out.hold, job);
    co_await job::claim_table(*out.hold, before.table_oid, before.table);
    const auto others = co_await job::load_others_of_group(*session, job);
    for (const job::record& other : others) {  // their plans are of the same kind
        co_await job::claim_job(*out.hold, other.id);
        co_await job::claim_table(*out.hold, other.table_oid, other.table);
        const std::vector<qualified_name> theirs = kind.written_tables(other);
        written.insert(written.end(), theirs.begin(), theirs.end());
    }
    co_await job::take_on(*session, job, others, written, job::requests::forget);  // it may have run by itself
    out.record = co_await job::load(*session, job);
    co_return out;
}

}  // namespace pgeist::children

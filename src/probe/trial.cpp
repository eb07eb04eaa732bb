#include "pgeist/probe/trial.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/pg/transaction.hpp"
#include "trial_measure.hpp"
#include "trial_text.hpp"

namespace pgeist::probe {

namespace {

// Every name comes out qualified, every constant in a form that reads back the same. A lock that somebody else holds is
// not waited for: definitions can be read later.
constexpr const char* reading_settings =
    "SET LOCAL search_path TO pg_catalog; SET LOCAL DateStyle TO 'ISO'; SET LOCAL IntervalStyle TO 'postgres'; "
    "SET LOCAL extra_float_digits TO 1; SET LOCAL lock_timeout TO '200ms'; SET LOCAL statement_timeout TO '10s'";

/// Failures that are the trial's own, or that tell about its role and not about the statement.
bool tells_nothing(const pg::sql_error& failure) {
    constexpr const char* transaction_block = "25001";
    return failure.is(pg::sqlstate::insufficient_privilege) || failure.is(transaction_block) || failure.blocked() ||
           failure.is(pg::sqlstate::query_canceled) || failure.in_class("53") || failure.in_class("57") ||
           failure.in_class("XX") || failure.diag().message.find("temporary") != std::string::npos;
}

awaitable<void> read_all(stage& at, const std::vector<std::string>& statements, std::size_t most, building& into) {
    co_await at.session.execute(reading_settings);
    co_await cast_relations(at, statements, most);
    co_await cast_dependents(at, most);
    into = co_await plan_stand_ins(at);
}

awaitable<void> make_stand_ins(stage& at, const std::vector<std::string>& statements, const trial_options& options) {
    co_await open_stage(at, options.settings);
    building scripts;
    const auto most = static_cast<std::size_t>(options.most_relations);
    const auto reading = [&] { return read_all(at, statements, most, scripts); };
    co_await pg::rolled_back(at.session, reading);
    for (std::string& each : scripts) {
        co_await run_script(at, std::move(each));
    }
    co_await build_dependents(at);
}

std::string session_for_trial(const stage& at, const trial_options& options) {
    const std::string path = at.search_path.empty() ? "pg_temp" : "pg_temp, " + at.search_path;
    return fmt::format(
        "{}; {}; SET LOCAL lock_timeout TO '200ms'; SET LOCAL statement_timeout TO {}; "
        "SELECT pg_catalog.set_config('search_path', {}, true); SET LOCAL client_min_messages TO debug1",
        at.settings, at.quiet, options.time_limit.count(), quote_literal(path));
}

failure failure_of(const stage& at, const pg::sql_error& problem) {
    failure found;
    found.sqlstate = problem.sqlstate();
    found.message = at.names.in_real_names(problem.diag().message, at.default_schema);
    found.detail = at.names.in_real_names(problem.diag().detail, at.default_schema);
    if (!problem.diag().hint.empty()) {
        found.detail +=
            (found.detail.empty() ? "" : "; ") + at.names.in_real_names(problem.diag().hint, at.default_schema);
    }
    std::replace(found.detail.begin(), found.detail.end(), '\n', ';');
    return found;
}

/// What a failed statement leaves to tell. `guessing`: something before it was not tried, and may be what it lacks.
trial_answer answer_of_failure(const stage& at, const std::string& statement, const snapshot& before,
                               const pg::sql_error& problem, bool guessing) {
    trial_answer answer;
    const failure found = failure_of(at, problem);
    if (tells_nothing(problem)) {
        answer.why_not = "the server refused the trial: " + found.message;
        return answer;
    }
    constexpr const char* enum_value_not_committed = "55P04";
    if (problem.is(enum_value_not_committed)) {
        // Here everything is one transaction; in the user's hands it need not be.
        answer.why_not = "a new enum value cannot be used before the transaction that adds it has committed";
        return answer;
    }
    if (guessing && (problem.in_class("42") || problem.in_class("3F"))) {
        answer.why_not = "it may need what an earlier statement makes, which was not tried";
        return answer;
    }
    answer.tried = true;
    answer.found.source = evidence::tried;
    answer.found.assumptions = at.assumptions;
    answer.found.fails = found;
    constexpr const char* depended_on = "2BP01";
    constexpr const char* not_supported = "0A000";  // what ALTER TYPE of a column that a view uses is called
    if (problem.is(depended_on) || problem.is(not_supported)) {
        answer.found.dependents = in_the_way_of(at, statement, before);
    }
    return answer;
}

std::vector<std::string> locked_in(const stage& at, const snapshot& seen) {
    std::vector<std::string> names;
    for (const seen_lock& each : seen.locks) {
        const auto found = seen.relations.find(each.oid);
        if (found != seen.relations.end() && found->second.table == 0 && each.mode > lock_mode::access_share) {
            std::string name = sql_name_of(at.names.real_of(found->second.name, at.default_schema));
            if (std::find(names.begin(), names.end(), name) == names.end()) {
                names.push_back(std::move(name));
            }
        }
    }
    std::sort(names.begin(), names.end());
    return names;
}

/// `kept`: what is there; afterwards what is there then, or nothing where that has to be looked at again.
awaitable<trial_answer> run_one(stage& at, std::string statement, bool guessing, std::optional<snapshot>& kept) {
    if (!kept) {
        kept = co_await look(at);
    }
    const snapshot before = std::move(*kept);
    kept.reset();
    std::string led = co_await lead_statement(at, statement);
    co_await at.session.execute("SAVEPOINT pgeist_trial");
    static_cast<void>(at.session.take_notices());
    std::optional<pg::sql_error> problem;
    try {
        static_cast<void>(co_await at.session.query(std::move(led)));
    } catch (const pg::sql_error& caught) {
        if (caught.poisons_connection()) {
            throw;
        }
        problem = caught;
    }
    const auto notices = at.session.take_notices();
    if (problem) {
        co_await at.session.execute("ROLLBACK TO SAVEPOINT pgeist_trial; RELEASE SAVEPOINT pgeist_trial");
        co_return answer_of_failure(at, statement, before, *problem, guessing);
    }
    trial_answer answer;
    snapshot after = co_await look(at);
    answer.tried = true;
    answer.found = effect_of(at, statement, before, after, notices);
    answer.locked_before = locked_in(at, before);
    co_await at.session.execute("RELEASE SAVEPOINT pgeist_trial");
    kept = std::move(after);
    co_return answer;
}

awaitable<void> run_all(stage& at, const std::vector<std::string>& statements, const trial_options& options,
                        std::vector<trial_answer>& answers) {
    co_await at.session.execute(session_for_trial(at, options));
    bool guessing = false;
    std::optional<snapshot> kept;
    for (std::size_t place = 0; place < statements.size(); ++place) {
        if (!answers[place].why_not.empty()) {
            guessing = guessing || made_schema(statements[place]).empty();
            continue;
        }
        try {
            answers[place] = co_await run_one(at, statements[place], guessing, kept);
        } catch (const not_tried& reason) {
            // It may have reached what it must not: nothing after it is tried, and the transaction ends now.
            for (std::size_t rest = place; rest < statements.size(); ++rest) {
                answers[rest].why_not = reason.what();
            }
            co_return;
        }
        guessing = guessing || !answers[place].tried;
    }
}

/// Statements that name something without a stand-in.
void leave_out_refused(const stage& at, const std::vector<std::string>& statements,
                       std::vector<trial_answer>& answers) {
    for (std::size_t place = 0; place < statements.size(); ++place) {
        if (at.refused.empty() || !answers[place].why_not.empty()) {
            continue;
        }
        for (const written_name& each : names_in(statements[place])) {
            const auto found = at.refused.find({each.schema, each.name});
            if (found != at.refused.end()) {
                answers[place].why_not = found->second;
            }
        }
    }
}

awaitable<void> try_tried(stage& at, const std::vector<std::string>& statements, const trial_options& options,
                          std::vector<trial_answer>& answers) {
    std::vector<std::string> wanted;
    for (std::size_t place = 0; place < statements.size(); ++place) {
        if (answers[place].why_not.empty()) {
            wanted.push_back(statements[place]);
        }
    }
    for (const std::string& each : statements) {
        if (std::string schema = made_schema(each); !schema.empty()) {
            at.new_schemas.insert(std::move(schema));
        }
    }
    at.with_tablespaces =
        std::any_of(wanted.begin(), wanted.end(), [](const auto& each) { return has_word(each, "tablespace"); });
    at.with_truncate_triggers =
        std::none_of(wanted.begin(), wanted.end(), [](const auto& each) { return kind_of(each) == "truncate"; });
    at.cascades = std::any_of(wanted.begin(), wanted.end(), [](const auto& each) {
        return kind_of(each) == "truncate" && has_word(each, "cascade");
    });
    std::string reason;
    bool hopeless = false;
    try {
        co_await make_stand_ins(at, wanted, options);
        leave_out_refused(at, statements, answers);
        const auto running = [&] { return run_all(at, statements, options, answers); };
        co_await pg::rolled_back(at.session, running);
    } catch (const nothing_tried& refused) {
        reason = refused.what();
        hopeless = true;
    } catch (const not_tried& refused) {
        reason = refused.what();
    } catch (const pg::sql_error& problem) {
        if (problem.poisons_connection()) {
            throw;
        }
        reason = "stand-ins could not be made: " + at.names.in_real_names(problem.diag().message, at.default_schema);
    }
    for (trial_answer& each : answers) {
        if (!each.tried && each.why_not.empty()) {
            each.why_not = reason;
            each.hopeless = hopeless;
        }
    }
}

}  // namespace

awaitable<std::vector<trial_answer>> try_statements(pg::connection& session, std::vector<std::string> statements,
                                                    trial_options options) {
    std::vector<trial_answer> answers(statements.size());
    bool any = false;
    for (std::size_t place = 0; place < statements.size(); ++place) {
        answers[place].why_not = why_not_tried(statements[place]);
        any = any || answers[place].why_not.empty();
    }
    if (!any) {
        co_return answers;
    }
    stage at(session);
    std::exception_ptr failure;
    try {
        co_await try_tried(at, statements, options, answers);
    } catch (...) {
        failure = std::current_exception();
    }
    if (at.made && session.idle()) {
        co_await session.execute("DISCARD TEMP");
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
    co_return answers;
}

awaitable<trial_answer> try_statement(pg::connection& session, std::string statement, trial_options options) {
    std::vector<std::string> one;
    one.push_back(std::move(statement));
    const auto answers = co_await try_statements(session, std::move(one), std::move(options));
    co_return answers.front();
}

}  // namespace pgeist::probe

#include "cli/execute.hpp"

#include <exception>
#include <memory>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "cli/candidates_command.hpp"
#include "cli/failure.hpp"
#include "cli/observers.hpp"
#include "cli/question.hpp"
#include "cli/signals.hpp"
#include "cli/status_command.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/commands/tables.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/report/outcome_text.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::cli {

namespace {

namespace asio = boost::asio;

/// What a command does, as a coroutine, and what it leaves to be told at the end.
struct session {
    session(const invocation& what, console& where, report::observer& to) : asked(what), io(where), observer(to) {}

    const invocation& asked;
    console& io;
    report::observer& observer;
    std::string message;   ///< of the closing outcome
    bool tell_end = true;  ///< false: the output is already complete
};

/// The commands that run no job have no phases to show: they say one thing at the end.
bool runs_a_job(const invocation& asked) {
    const command what = asked.what;
    return what == command::run || what == command::rehearse || what == command::resume || what == command::cleanup ||
           what == command::verify || what == command::revert || what == command::backfill || what == command::expand ||
           what == command::contract || asked.round;
}

bool is_json(const session& now) { return now.asked.format == report::output_format::json; }

std::string shown(const std::string& text, const console& io) {
    const std::string safe = report::harmless(text);
    return io.screen.utf8 ? safe : report::to_ascii(safe);
}

awaitable<commands::plan_result> make_plan(const invocation& asked) {
    if (asked.file) {
        return commands::make_file_plan(asked.connection, *asked.file, asked.settings);
    }
    if (asked.tables) {
        return commands::plan_tables(asked.connection, *asked.tables, asked.settings);
    }
    if (asked.reindex) {
        return commands::plan_reindex(asked.connection, *asked.reindex);
    }
    if (asked.in_place && !asked.expand.table.name.empty()) {
        return commands::plan_expansion(asked.connection, asked.expand, asked.settings);
    }
    if (asked.in_place) {
        return commands::plan_backfill(asked.connection, asked.fill, asked.settings);
    }
    if (asked.settings.method == run::method_choice::server) {
        return commands::plan_server_repack(asked.connection, asked.change);
    }
    return commands::make_plan(asked.connection, asked.change, asked.settings);
}

awaitable<exit_code> run(session& now) {
    const invocation& asked = now.asked;
    if (asked.file) {
        return commands::start_file(asked.connection, *asked.file, asked.settings, now.observer);
    }
    if (asked.tables) {
        return commands::start_tables(asked.connection, *asked.tables, asked.settings, now.observer);
    }
    if (asked.reindex) {
        return commands::start_reindex(asked.connection, *asked.reindex, asked.settings, now.observer);
    }
    if (asked.settings.method == run::method_choice::server) {
        return commands::start_server_repack(asked.connection, asked.change, asked.settings, now.observer);
    }
    return commands::start(asked.connection, asked.change, asked.settings, now.observer);
}

awaitable<exit_code> plan(session& now) {
    const auto planned = co_await make_plan(now.asked);
    now.tell_end = false;
    if (is_json(now)) {
        now.io.out.write(planned.json + "\n");
        co_return planned.code;
    }
    const bool refused = planned.code != exit_code::done;
    if (!now.asked.how_much.quiet || refused) {
        report::sink& to = now.asked.how_much.quiet ? now.io.err : now.io.out;
        to.write(shown(planned.text, now.io));
    }
    if (now.asked.how_much.verbose) {
        now.io.out.write(shown(planned.sql, now.io));
    }
    co_return planned.code;
}

/// Tells a running job what to do.
awaitable<exit_code> steer(session& now, std::string action, std::string done) {
    const std::int64_t job = *now.asked.job;
    const bool obeyed = co_await commands::send_control(now.asked.connection, job, std::move(action), now.asked.values);
    now.message = fmt::format("job {}: {}", job, done);
    if (!obeyed) {
        now.message = fmt::format("job {} has been told, but has not answered yet; pgeist status {} shows what it does",
                                  job, job);
    }
    co_return exit_code::done;
}

/// Whether the user, if there is one, agrees to lose the old tables that the clean-up would drop.
awaitable<bool> agreed(session& now) {
    if (now.asked.yes || !can_ask()) {
        co_return true;
    }
    const auto jobs = co_await commands::list_jobs(now.asked.connection, now.asked.job);
    std::string tables;
    for (const report::job_status& each : jobs) {
        if (!each.old_table.empty() && !each.pid_alive) {
            tables += (tables.empty() ? "" : ", ") + each.old_table;
        }
    }
    co_return tables.empty() || ask(fmt::format("This drops the old table kept as {}. Go on?", tables));
}

awaitable<exit_code> clean_up(session& now) {
    const bool go_on = co_await agreed(now);
    if (!go_on) {
        throw cancelled();
    }
    const exit_code code = co_await commands::cleanup(now.asked.connection, now.asked.job, now.observer);
    co_return code;
}

awaitable<exit_code> revert(session& now) {
    commands::revert_request what;
    what.job = *now.asked.job;
    what.changes = now.asked.values;
    what.lose = now.asked.lose;
    what.check = now.asked.check;
    const exit_code code = co_await commands::revert(now.asked.connection, std::move(what), now.observer);
    co_return code;
}

awaitable<exit_code> dispatch(session& now) {
    const invocation& asked = now.asked;
    switch (asked.what) {
        case command::plan:
            return plan(now);
        case command::run:
            return run(now);
        case command::rehearse:
            if (asked.file) {
                return commands::rehearse_file(asked.connection, *asked.file, asked.settings, asked.rehearsal,
                                               now.observer);
            }
            if (asked.tables) {
                return commands::rehearse_tables(asked.connection, *asked.tables, asked.settings, asked.rehearsal,
                                                 now.observer);
            }
            return commands::rehearse(asked.connection, asked.change, asked.settings, asked.rehearsal, now.observer);
        case command::backfill:
            return commands::start_backfill(asked.connection, asked.fill, asked.settings, now.observer);
        case command::expand:
            return commands::start_expansion(asked.connection, asked.expand, asked.settings, now.observer);
        case command::contract:
            return commands::contract(asked.connection, *asked.job, asked.contraction, asked.values, now.observer);
        case command::resume:
            return commands::resume(asked.connection, *asked.job, asked.values, now.observer);
        case command::cleanup:
            return clean_up(now);
        case command::status:
            now.tell_end = false;
            return show_status(asked, now.io);
        case command::candidates:
            if (asked.round) {
                return commands::run_candidates(asked.connection, *asked.round, asked.settings, now.observer);
            }
            now.tell_end = false;
            return show_candidates(asked, now.io);
        case command::pause:
            return steer(now, "pause", "paused");
        case command::proceed:
            return steer(now, "continue", "goes on");
        case command::swap:
            return steer(now, "swap", "may swap");
        case command::cancel:
            return steer(now, "cancel", "is being cancelled");
        case command::verify:
            return commands::verify(asked.connection, *asked.job, now.observer);
        case command::set:
            return steer(now, "set", "set");
        case command::revert:
            return revert(now);
        default:
            throw usage_error("this command cannot be run");
    }
}

/// Runs the command on its own io_context; a signal cancels it.
exit_code run_to_end(session& now) {
    asio::cancellation_signal cancel;  // outlives everything on the io_context
    asio::io_context io(1);
    const auto stop = [&] {
        if (runs_a_job(now.asked)) {
            now.observer.message(report::level::warning, "stopping; a second signal ends pgeist at once");
        }
        cancel.emit(asio::cancellation_type::terminal);
    };
    const signal_watch signals(io, stop);

    std::exception_ptr failure;
    exit_code code = exit_code::failed;
    auto on_end = [&](std::exception_ptr problem, exit_code result) {
        failure = std::move(problem);
        code = result;
        io.stop();  // only the wait for signals is left
    };
    asio::co_spawn(io, dispatch(now), asio::bind_cancellation_slot(cancel.slot(), std::move(on_end)));
    io.run();
    if (failure) {
        std::rethrow_exception(failure);
    }
    return code;
}

}  // namespace

exit_code execute(const invocation& asked, console& io) {
    const auto observer = make_observers(asked, io, runs_a_job(asked));

    session now(asked, io, *observer);
    report::outcome outcome;
    try {
        outcome.code = run_to_end(now);
        outcome.message = now.message;
    } catch (...) {
        outcome = outcome_of(std::current_exception());
        outcome.hint = report::with_job_number(std::move(outcome.hint), asked.job);
        now.tell_end = true;
    }
    if (now.tell_end) {
        observer->finished(outcome);
    }
    return outcome.code;
}

}  // namespace pgeist::cli

#include <exception>
#include <memory>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "cli/lint_command.hpp"
#include "cli/signals.hpp"
#include "pgeist/lint/ask.hpp"

namespace pgeist::cli {

namespace {

namespace asio = boost::asio;

struct question_to_server {
    const pg::connect_options& connection;
    const std::vector<pgeist::lint::source>& sources;
    const std::vector<ddl::migration>& migrations;
    pgeist::lint::settings& options;
    pgeist::lint::answers answers;
};

awaitable<void> ask(question_to_server& what) {
    const auto session = co_await pg::connection::open(what.connection, "pgeist lint");
    what.answers = co_await pgeist::lint::ask(*session, what.sources, what.migrations, what.options);
}

}  // namespace

pgeist::lint::answers ask_server(const pg::connect_options& connection,
                                 const std::vector<pgeist::lint::source>& sources,
                                 const std::vector<ddl::migration>& migrations, pgeist::lint::settings& options) {
    question_to_server what{connection, sources, migrations, options, {}};
    asio::cancellation_signal cancel;  // outlives everything on the io_context
    asio::io_context io(1);
    const auto stop = [&] { cancel.emit(asio::cancellation_type::terminal); };
    const signal_watch signals(io, stop);
    std::exception_ptr failure;
    auto on_end = [&](std::exception_ptr problem) {
        failure = std::move(problem);
        io.stop();  // only the wait for signals is left
    };
    asio::co_spawn(io, ask(what), asio::bind_cancellation_slot(cancel.slot(), std::move(on_end)));
    io.run();
    if (failure) {
        std::rethrow_exception(failure);
    }
    return std::move(what.answers);
}

}  // namespace pgeist::cli

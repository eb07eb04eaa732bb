#include "cli/failure.hpp"

#include <new>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include "pgeist/pg/sql_error.hpp"

namespace pgeist::cli {

namespace {

/// What the server said, with what it added: those who read it cannot look into the server's log.
std::string message_of(const pg::sql_error& problem) {
    std::string text = problem.what();
    for (const auto& [name, more] :
         {std::pair("detail", problem.diag().detail), std::pair("context", problem.diag().context)}) {
        if (!more.empty() && text.find(more) == std::string::npos) {
            text += fmt::format("\n{}: {}", name, more);
        }
    }
    return text;
}

report::outcome made(exit_code code, std::string message, std::string hint) {
    return report::outcome{code, std::move(message), std::move(hint)};
}

}  // namespace

report::outcome outcome_of(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const pg::sql_error& problem) {
        return made(problem.code(), message_of(problem), problem.hint());
    } catch (const error& problem) {
        return made(problem.code(), problem.what(), problem.hint());
    } catch (const boost::system::system_error& problem) {
        if (problem.code() == boost::asio::error::operation_aborted) {
            const cancelled stopped;
            return made(stopped.code(), stopped.what(), stopped.hint());
        }
        return made(exit_code::failed, problem.what(), "");
    } catch (const std::bad_alloc&) {
        return made(exit_code::failed, "out of memory", "");
    } catch (const std::exception& problem) {
        return made(exit_code::failed, fmt::format("internal error: {}", problem.what()),
                    "this is a bug in pgeist; please report it");
    } catch (...) {
        return made(exit_code::failed, "internal error", "this is a bug in pgeist; please report it");
    }
}

}  // namespace pgeist::cli

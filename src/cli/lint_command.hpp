#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/console.hpp"
#include "cli/given.hpp"
#include "pgeist/lint/lint.hpp"
#include "pgeist/pg/connect_options.hpp"

namespace pgeist::cli {

struct invocation;

enum class lint_format { text, json, sarif, github, gitlab, markdown };

/// What `pgeist lint` is asked for.
struct lint_request {
    std::vector<std::string> paths;
    pgeist::lint::settings settings;
    ddl::transaction_mode transaction = ddl::transaction_mode::automatic;
    pgeist::lint::fail_on limit = pgeist::lint::fail_on::error;
    lint_format format = lint_format::text;
    bool rules = false;                  ///< only list the rules
    std::optional<std::string> explain;  ///< only explain one
    bool connected = false;              ///< a server is asked
};

/// @throws usage_error
[[nodiscard]] lint_request read_lint(const given& options, const std::vector<std::string>& words);

/// Reads files, directories (their *.sql files at any depth, in the natural order of their names, without down files)
/// and `-`. What cannot be read becomes a source with a problem.
[[nodiscard]] std::vector<pgeist::lint::source> read_sources(const std::vector<std::string>& paths);

/// Asks the server that is named what check() can use, and sets its version.
/// @throws pg::sql_error; cancelled
[[nodiscard]] pgeist::lint::answers ask_server(const pg::connect_options& connection,
                                               const std::vector<pgeist::lint::source>& sources,
                                               const std::vector<ddl::migration>& migrations,
                                               pgeist::lint::settings& options);

/// Carries it out and writes what is found. Returns the exit code. @throws pg::sql_error; cancelled
[[nodiscard]] int lint(const invocation& asked, console& io);

}  // namespace pgeist::cli

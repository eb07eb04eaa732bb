#pragma once

#include <string>
#include <utility>
#include <vector>

#include "calibration.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/probe/combine.hpp"
#include "pgeist/steps/choose.hpp"

namespace pgeist::steps {

/// A statement, or a clause of one as a statement by itself, and what it does where those before it have been done.
struct part {
    ddl::statement what;
    std::size_t of = 0;  ///< which of the question's statements
    probe::effect does;
    probe::static_answer by_rules;
    probe::schema before;  ///< what it finds
};

/// What is known of the server, as values.
struct facts {
    probe::schema before;  ///< as it is now
    probe::server_version version;
    std::vector<std::string> search_path;
    /// What the user's own sessions begin with, role and search_path first of all: a job keeps it, whoever resumes it.
    std::vector<std::pair<std::string, std::string>> session;
    paces shown;  ///< by this server, before
};

/// Whether functions that nobody has looked into may do anything in it.
[[nodiscard]] bool runs_code(const ddl::statement& what);

/// Reads the catalogs for everything that the statements name.
[[nodiscard]] awaitable<facts> read_facts(pg::connection& session, const question& asked);

/// Finds out what each part does, all in one trial, and by the rules where it cannot be tried; fills in the rest of
/// each.
[[nodiscard]] awaitable<void> judge_parts(pg::connection& session, const question& asked, const facts& known,
                                          std::vector<part>& parts);

}  // namespace pgeist::steps

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "pgeist/ddl/statement.hpp"

namespace pgeist::plan {

/// How a statement of a migration file is run, as far as its words tell.
enum class treatment {
    alteration,  ///< ALTER TABLE: each part by the method that is chosen for it
    definition,  ///< every other CREATE, ALTER, DROP, COMMENT, GRANT, REVOKE, and REINDEX
    setting,     ///< SET, RESET: holds for the statements behind it
    rows,        ///< UPDATE or DELETE over one table: as it is, or as a backfill where it is large
    as_is,       ///< INSERT, SELECT, DO, UPDATE over several tables
};

/// What a SET of the file has made of a setting.
struct file_setting {
    std::string name;   ///< in lower case
    std::string value;  ///< of search_path a list of quoted names; empty where only `sql` has it
    std::string sql;    ///< sets it for the open transaction
    friend bool operator==(const file_setting&, const file_setting&) = default;
};

/// A statement that is to be run.
struct file_statement {
    ddl::statement what;
    treatment how = treatment::as_is;
    std::vector<file_setting> settings;  ///< that hold when it begins, in the order in which they were made
    /// Of a SET: the same for the open transaction alone. Of a RESET: nothing. What it says holds by `settings`.
    std::string once;

    [[nodiscard]] std::size_t line() const { return what.begin.line; }
    [[nodiscard]] const std::string& sql() const { return what.text; }
};

/// A migration file, as it is to be run: `--file` without `--table`.
struct migration_file {
    std::string name;  ///< as given; `-` is standard input
    std::vector<file_statement> statements;
    std::vector<std::string> warnings;
    /// The statements without comments and blank space: files with the same one are the same file.
    std::string identity;

    /// `name:line`, for messages.
    [[nodiscard]] std::string place(std::size_t line) const;
};

/// Cuts and understands a file, and refuses what cannot be run from one, all before anything of it is run. Sections of
/// known marks that take the change back are left out; BEGIN, COMMIT, SET lock_timeout and SET statement_timeout, too,
/// with a warning.
/// @throws usage_error for what is no SQL, psql's commands, and a file without a statement; error (refused) naming
/// lines, for statements of other kinds
[[nodiscard]] migration_file read_migration_file(std::string name, std::string_view text);

}  // namespace pgeist::plan

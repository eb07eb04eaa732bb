#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pgeist/lint/finding.hpp"
#include "pgeist/lint/server.hpp"

namespace pgeist::lint {

/// A file to be looked at, as it was read.
struct source {
    std::string name;
    std::string text;
    std::string script_config;      ///< of Flyway, beside it
    std::string problem;            ///< why it could not be read; empty: it could
    bool named = false;             ///< by the user: its down sections are looked at, too
    bool begins_simulation = true;  ///< false: it goes on where the file before it ended, as in a directory
};

/// What a server that was asked has said: one answer for each step of each file.
struct answers {
    server_facts server;
    std::vector<std::vector<answer>> of_files;
};

/// Reads the files; what cannot be read has a `problem`.
[[nodiscard]] std::vector<ddl::migration> read(const std::vector<source>& files, ddl::transaction_mode mode);

/// Looks at every statement of the files. `migrations` are what read() made of them.
[[nodiscard]] report check(const std::vector<source>& files, const std::vector<ddl::migration>& migrations,
                           const settings& options, const answers* tried = nullptr);

enum class fail_on { error, warning, never };
/// 0: nothing at or above; 1: findings; 2: something that could not be read or parsed.
[[nodiscard]] int exit_code_of(const report& found, fail_on limit);

/// One rule as its users see it.
struct rule_text {
    std::string_view name;
    level usual;
    std::string_view summary;  ///< one sentence
    std::string_view facts;    ///< what PostgreSQL does, and why it matters
    std::string_view recipe;   ///< SQL or words; what to do instead
};
[[nodiscard]] const std::vector<rule_text>& rule_texts();
[[nodiscard]] const rule_text* find_rule(std::string_view name);

/// docs/lint.md; the list of --rules; the page of --explain.
[[nodiscard]] std::string rules_markdown();
[[nodiscard]] std::string rules_list();
[[nodiscard]] std::string explanation(const rule_text& rule);

/// How a report is written.
struct text_style {
    bool colour = false;
    bool utf8 = true;
    bool verbose = false;  ///< findings of level info, too
    bool quiet = false;    ///< no summary where there is nothing to tell
};
[[nodiscard]] std::string as_text(const report& found, const settings& options, const text_style& style);
[[nodiscard]] std::string as_json(const report& found, const settings& options, int exit_code);
[[nodiscard]] std::string as_sarif(const report& found, const settings& options, std::string_view version);
[[nodiscard]] std::string as_github(const report& found);
[[nodiscard]] std::string as_gitlab(const report& found);
[[nodiscard]] std::string as_markdown(const report& found, const settings& options);

}  // namespace pgeist::lint

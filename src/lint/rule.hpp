#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "pgeist/lint/lint.hpp"
#include "pgeist/probe/schema.hpp"

namespace pgeist::lint {

/// A lock that a statement further up in the same transaction has taken, and that others wait for.
struct held_lock {
    std::string relation;
    probe::lock_mode mode = probe::lock_mode::none;
    std::size_t line = 0;
};

/// What has happened in the file and in the current transaction before a statement.
struct history {
    std::vector<held_lock> held;
    bool block_open = false;     ///< BEGIN without COMMIT yet
    std::size_t statements = 0;  ///< of the current transaction
    bool lock_timeout = false;   ///< the file has set one
    bool told_lock_timeout = false;
    std::map<std::string, std::string> timeouts;  ///< lock_timeout and statement_timeout that are set and not 0
    bool set_statement_timeout = false;           ///< the file has set one, or set it to 0
};

/// A statement, and everything that a rule may ask about it.
struct subject {
    const settings& options;
    const ddl::migration& file;
    const ddl::step& step;
    const ddl::statement& what;
    const probe::effect& does;
    const std::vector<probe::effect>& clauses;  ///< by the rules, one for each clause of an ALTER
    const probe::schema& before;
    const history& past;
    const server_facts* server = nullptr;  ///< the server that was asked, if one was
    bool has_neighbours = false;           ///< other statements are in the same transaction

    /// Whether a server has run it on stand-ins: then the rules' assumptions are no matter.
    [[nodiscard]] bool tried() const { return does.source == probe::evidence::tried; }

    /// The relation that it is about, as the contract writes it.
    [[nodiscard]] std::string relation() const { return before.name_of(what.relation); }
    /// Whether somebody may be using the relation: it was not made in this file.
    [[nodiscard]] bool in_use(const std::string& relation) const { return !before.is_new(relation); }
    /// The effect's locks on relations in use for which reads or writes wait.
    [[nodiscard]] std::vector<probe::relation_lock> blocking(const probe::effect& part) const;
    /// Whether it rewrites, scans or builds something that has rows.
    [[nodiscard]] bool works(const probe::effect& part) const;
    [[nodiscard]] bool rewrites(const probe::effect& part) const;
    [[nodiscard]] bool scans(const probe::effect& part) const;
    [[nodiscard]] bool builds(const probe::effect& part) const;
    /// The level of work under locks: by its time where that is known.
    [[nodiscard]] level block_level(const probe::effect& part) const;
    /// ` while reads and writes of public.t wait`, or the like; empty where nobody waits.
    [[nodiscard]] std::string waiting(const probe::effect& part) const;
    /// For ALTERs of a table: the effect of a clause.
    [[nodiscard]] const probe::effect& of_clause(std::size_t at) const;
};

/// Takes what a rule finds about the statement at hand.
class reporter {
public:
    virtual ~reporter() = default;
    virtual void add(std::string_view rule, level how_bad, std::string message,
                     std::vector<std::string> instead = {}) = 0;
};

using check_function = void (*)(const subject&, reporter&);

struct rule {
    rule_text text;
    check_function check = nullptr;  ///< null: found by the check of another rule, or by the engine (ignores, syntax)
};

/// The families; one file each.
[[nodiscard]] const std::vector<rule>& column_rules();
[[nodiscard]] const std::vector<rule>& type_rules();
[[nodiscard]] const std::vector<rule>& constraint_rules();
[[nodiscard]] const std::vector<rule>& index_rules();
[[nodiscard]] const std::vector<rule>& partition_rules();
[[nodiscard]] const std::vector<rule>& transaction_rules();
[[nodiscard]] const std::vector<rule>& application_rules();
[[nodiscard]] const std::vector<rule>& maintenance_rules();
[[nodiscard]] const std::vector<rule>& outcome_rules();
[[nodiscard]] const std::vector<rule>& server_rules();
[[nodiscard]] const std::vector<rule>& engine_rules();

[[nodiscard]] const std::vector<rule>& all_rules();

/// `pgeist run -d DATABASE --table t --alter "…"` for one clause.
[[nodiscard]] std::string pgeist_run(const subject& on, const std::string& clause);
/// `ALTER TABLE t` for recipes, as the file names it.
[[nodiscard]] std::string alter_head(const subject& on);
/// The half of session-settings that a server knows.
void server_settings(const subject& on, reporter& to);

/// Whether it waits for older snapshots, or reads long, so that a timeout strikes in the middle.
[[nodiscard]] bool takes_its_time(const ddl::statement& what);

/// What is known of a statement: by the server where it was asked, by the rules else. Takes out of the clauses what the
/// server has not borne out.
[[nodiscard]] probe::effect combined(const ddl::statement& what, probe::static_answer& by_rules, const answer* said,
                                     const probe::schema& before, bool server_asked);

/// The statement with CONCURRENTLY put behind `word` (INDEX, TABLE …).
[[nodiscard]] std::string with_concurrently(const std::string& statement, std::string_view word);
/// Blank space and comments reduced; what fingerprints are made of.
[[nodiscard]] std::string normalised(const std::string& statement);
[[nodiscard]] std::string joined(const std::vector<std::string>& names);

}  // namespace pgeist::lint

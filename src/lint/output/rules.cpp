// The rules' own texts: docs/lint.md, --rules, --explain.

#include <fmt/format.h>

#include "pgeist/lint/lint.hpp"

namespace pgeist::lint {

namespace {

constexpr std::string_view head = R"(# pgeist lint

Made by `pgeist --print lint`; `scripts/check_docs.py` compares.

`pgeist lint [CONNECTION] FILE…|DIRECTORY|-` tells for each statement of migration files which locks it takes on which
relations, whom they block and for about how long, whether it rewrites, scans or builds something, whether it fails, and
what to write instead. Without a connection it answers for the version that `--server` names (15 unless told otherwise;
14 to 19), by what PostgreSQL is known to do; with one it asks the server.

- A whole file is one simulation: what a statement creates is known to the next, and a table that the same file makes is
  nobody's yet, so that findings about it are at most `info`. A DIRECTORY is its `*.sql` files at any depth in the natural
  order of their names (V2 before V10), one simulation through all of them: a column's type, a constraint, an index that
  an earlier file makes is known in a later one. Files that are named one by one are looked at one by one.
- Down files (`x.down.sql`, `U1__x.sql`) and what stands behind a tool's mark of a down section are left out of a
  DIRECTORY, and looked at where the file is named.
- Without a connection no size is known: a rewrite, scan or build under a lock that stops reads or writes is an `error`.
  What breaks the application that is running is a `warning`. Everything else is `info`, which `--verbose` shows.
- With a connection (`-h -p -U -d`, or `PGEIST_DBNAME` and its like; libpq's own `PG*` variables alone are not enough)
  the level follows from the estimated time: a block longer than `--max-block` (500ms) is an `error`, and work on a small
  table is `info`. Times are estimates from the tables' sizes, for a server of no particular speed.
- What the rules cannot know (a column's present type, a function's volatility) is taken for the worse case, and said.
  A statement that is not understood is a finding and stands under "not analysed"; it is never passed over.

## With a connection

- Files are run on empty stand-ins of the tables that they name, temporary tables of lint's own session, in a transaction
  that is rolled back: `evidence` is `tried`, and what fails is known with the server's own words. What cannot be run so
  (CONCURRENTLY, SET UNLOGGED, REFRESH, code) is judged by the rules with what the server's catalogs say: `catalog`. Of
  CREATE INDEX CONCURRENTLY the plain form is tried, for its errors.
- Nothing that changes rows or calls functions is run. On the user's tables lint takes ACCESS SHARE, for moments while it
  reads definitions and sizes, and waits 200ms for it at most. It leaves nothing behind: the temporary tables are dropped.
- The role needs no right but to connect. Without the right to make temporary tables (TEMPORARY on the database), on a
  standby, and behind a pooler that hands statements to different sessions nothing is tried, and the answer says so; the
  catalogs and sizes are that server's.
- Told besides: who would make a statement wait right now (`blocked-now`), an index that is not valid
  (`invalid-index-in-the-way`), disk, WAL, locks and columns that are needed (`room`), standbys and subscribers
  (`replica-impact`), the role's timeouts (`session-settings`), and defects of the server's very version
  (`cic-version-bug`).
- The server's parser decides about what pgeist cannot read: a DO block that returns before the statement.
- A statement whose result is there already is `needless-change`, so that migrations that have run give no errors.
- Not known: whether rows are in the way (a duplicate, a value that is too long), and whether the role may do it.

## Transactions

A lock is kept to the end of its transaction, so it matters what is in one. `--transaction auto` goes by BEGIN and COMMIT
in the file and by the marks of the tools: goose (`-- +goose NO TRANSACTION`), sqlx (`-- no-transaction`), dbmate
(`-- migrate:up transaction:false`), Atlas (`-- atlas:txmode none`), Flyway (`executeInTransaction=false`, in a comment or
in the `.sql.conf` beside the file), sql-migrate, Liquibase, drizzle, node-pg-migrate, postgres-migrations, yoyo, and
Alembic's SQL output. A file without any of these is taken for one transaction, because most tools send it as one string;
where it has a statement that cannot be in one, for psql. `--transaction file|statement|none` says it.

## Ignoring

```sql
-- pgeist-ignore ban-drop-column, renaming-column nobody reads it since 4.2
ALTER TABLE accounts DROP COLUMN legacy_name; -- pgeist-ignore also here
-- pgeist-ignore-file require-lock-timeout set by the deployment
```

The comment stands before, within or behind the statement (on the line of its semicolon); what follows the rules' names is
the reason. Without a name it is about all rules. A name that is no rule, and an ignore that matches nothing, are findings.
`--foreign-ignores` obeys squawk's comments, too; most names are the same.

## Exit codes

0: nothing at or above `--fail-on` (error). 1: findings. 2: wrong usage, or a file that cannot be read or parsed; the
other files are looked at all the same. 6: interrupted. 9: no connection, or it was lost.

## Rules
)";

}  // namespace

std::string rules_markdown() {
    std::string out(head);
    for (const rule_text& each : rule_texts()) {
        out += fmt::format("\n### {}\n\n`{}`. {}\n\n{}\n\nInstead: {}\n", each.name, word_of(each.usual), each.summary,
                           each.facts, each.recipe);
    }
    return out;
}

std::string rules_list() {
    std::string out;
    for (const rule_text& each : rule_texts()) {
        out += fmt::format("{:<46} {:<8} {}\n", each.name, word_of(each.usual), each.summary);
    }
    return out;
}

std::string explanation(const rule_text& rule) {
    return fmt::format("{} ({})\n\n{}\n\n{}\n\nInstead: {}\n", rule.name, word_of(rule.usual), rule.summary, rule.facts,
                       rule.recipe);
}

}  // namespace pgeist::lint

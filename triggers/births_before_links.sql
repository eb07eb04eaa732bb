-- Births that were logged behind a link of the same transaction, and came before it: they get a number just below the link's.
-- See keep_history.sql. Statements log the births of their rows when they end, so those inserted last are logged first. After
-- a link as many rows were logged as were inserted, if none was waiting for its statement's end; `ahead`, all logged less all
-- inserted, is then what it was at the link. By as much as it is more, the statements since have logged rows that had been there
-- before: the first ones of each. Placeholders: @job@ the transfer's schema; @of_birth@ "b.k1, b.k2";
-- @same_key@ of `a`, an arrival, and `early`.
WITH statements AS (
    SELECT transaction, number, count(*) AS made, max(inserted) AS inserted FROM @job@.pgeist_births GROUP BY transaction, number
), counted AS (
    SELECT transaction, number, linked, sum(made) OVER (PARTITION BY transaction ORDER BY number) - inserted AS ahead
      FROM (SELECT transaction, number, made, inserted, false AS linked FROM statements
            UNION ALL SELECT transaction, number, 0, inserted, true FROM @job@.pgeist_links
             WHERE transaction IN (SELECT transaction FROM statements)) AS event
), links AS (
    SELECT * FROM (SELECT *, max(ahead) FILTER (WHERE NOT linked)
                             OVER (PARTITION BY transaction ORDER BY number ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS most
                     FROM counted) AS event
     WHERE linked AND most > ahead
), waiting AS (
    SELECT transaction, link, statement,
           waited - lag(waited, 1, 0::numeric) OVER (PARTITION BY transaction, link ORDER BY statement) AS before
      FROM (SELECT l.transaction, l.number AS link, s.number AS statement,
                   greatest(max(s.ahead - l.ahead) OVER (PARTITION BY l.transaction, l.number ORDER BY s.number), 0) AS waited
              FROM links AS l JOIN counted AS s ON s.transaction = l.transaction AND NOT s.linked AND s.number > l.number) AS pair
), early AS (
    SELECT @of_birth@, b.number, min(w.link) - 1 AS earlier
      FROM (SELECT *, row_number() OVER (PARTITION BY transaction, number ORDER BY place) AS at FROM @job@.pgeist_births) AS b
      JOIN waiting AS w ON w.transaction = b.transaction AND w.statement = b.number AND b.at <= w.before
     GROUP BY @of_birth@, b.number
)
UPDATE @job@.pgeist_arrivals AS a SET number = early.earlier FROM early WHERE NOT a.linked AND a.number = early.number AND @same_key@

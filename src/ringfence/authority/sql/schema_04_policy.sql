-- authority, policy: the policy, version by version.

-- `document` is canonical JSON (RFC 8785): for each act who may make it, how long a proposal stands, and how many
-- people of which roles approve, by currency and amount.
CREATE TABLE authority.policy (
    book_id         integer     NOT NULL REFERENCES ledger.book,
    version         integer     NOT NULL,
    effective_from  timestamptz NOT NULL,
    document        bytea       NOT NULL,
    sha256          bytea       NOT NULL,
    sequence        bigint      NOT NULL,
    CONSTRAINT policy_version_must_be_next PRIMARY KEY (book_id, version),
    CONSTRAINT policy_hash_is_of_the_document CHECK (sha256 = sha256(document))
);
CREATE TRIGGER policy_keeps_its_history BEFORE UPDATE OR DELETE OR TRUNCATE ON authority.policy
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

CREATE FUNCTION authority.policy_at(book integer, at timestamptz, OUT version integer, OUT document jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT p.version, convert_from(p.document, 'UTF8')::jsonb FROM authority.policy p
     WHERE p.book_id = book AND p.effective_from <= at ORDER BY p.version DESC LIMIT 1;
$$;

-- Who may have asked for a payment, by act, as the journal says it with the policy.
CREATE FUNCTION authority.asked_by(document bytea) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT coalesce(jsonb_object_agg(act.key, act.value->'asked_by'), '{}')
      FROM jsonb_each(convert_from(document, 'UTF8')::jsonb->'acts') act WHERE act.value ? 'asked_by';
$$;

-- Whether the word for who made something is that of a person of the staff, not of a program or the system.
CREATE FUNCTION authority.is_staff(maker text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT maker <> 'system' AND position(':' IN maker) = 0;
$$;

-- Whether an escalation holds at a time and a score; an order of which risk has said nothing counts as the worst. The
-- window runs from its first minute to before its last, perhaps over midnight, on the clocks of its zone.
CREATE FUNCTION authority.holds(escalation jsonb, at timestamptz, score numeric) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT (NOT escalation ? 'score_from' OR coalesce(score, 100) >= (escalation->>'score_from')::numeric)
       AND (NOT escalation ? 'zone'
            OR CASE WHEN (escalation->>'from')::time < (escalation->>'until')::time
                    THEN clock >= (escalation->>'from')::time AND clock < (escalation->>'until')::time
                    ELSE clock >= (escalation->>'from')::time OR clock < (escalation->>'until')::time END)
      FROM CAST(at AT TIME ZONE (escalation->>'zone') AS time) clock;
$$;

-- {"people": n, "roles": […], perhaps "signed": true} for an act; null if the policy does not know it. The first band that
-- reaches the amount counts; an amount above all bands, or of a currency without bands, falls under `otherwise`. Where
-- somebody must have asked for a payment (`asked_by`), a band that asks nobody does not count for a maker of the staff.
-- What holds of `when`, at the time of the proposal and with the score of its order, comes on top.
CREATE FUNCTION authority.required(document jsonb, act text, currency text, amount_minor numeric, at timestamptz,
                                   score numeric, maker text DEFAULT 'system') RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    WITH asked AS (
        SELECT coalesce((SELECT band - 'up_to_minor'
                           FROM jsonb_array_elements(document #> ARRAY['acts', act, 'bands', currency]) band
                          WHERE amount_minor <= (band->>'up_to_minor')::numeric
                            AND ((band->>'people')::integer > 0 OR NOT authority.is_staff(maker)
                                 OR document #> ARRAY['acts', act, 'asked_by'] IS NULL)
                          ORDER BY (band->>'up_to_minor')::numeric LIMIT 1),
                        document #> ARRAY['acts', act, 'otherwise']) AS rule),
    more AS (
        SELECT each, place FROM jsonb_array_elements(document #> ARRAY['acts', act, 'when']) WITH ORDINALITY w (each, place)
         WHERE authority.holds(each, at, score)),
    raised AS (
        SELECT (rule->>'people')::integer + (SELECT coalesce(sum((each->>'more_people')::integer), 0) FROM more) AS people,
               coalesce((rule->>'signed')::boolean, false)
                   OR (SELECT coalesce(bool_or((each->>'signed')::boolean), false) FROM more) AS signed,
               (SELECT jsonb_agg(role ORDER BY first) FROM (
                    SELECT role, min(ARRAY[entry, nth]) AS first FROM (
                        SELECT 0::bigint AS entry, nth, role
                          FROM jsonb_array_elements_text(rule->'roles') WITH ORDINALITY r (role, nth)
                        UNION ALL
                        SELECT place, nth, role
                          FROM more, jsonb_array_elements_text(each->'roles') WITH ORDINALITY r (role, nth)) listed
                     GROUP BY role) named) AS roles
          FROM asked WHERE rule IS NOT NULL)
    SELECT jsonb_build_object('people', people, 'roles', coalesce(roles, '[]'))
           || CASE WHEN signed AND people > 0 THEN '{"signed": true}'::jsonb ELSE '{}' END
      FROM raised;
$$;

-- The highest score that risk gave an order, as the journal has it; null if it gave none. A decision without a score says
-- the worst.
CREATE FUNCTION authority.score_of(book integer, which uuid) RETURNS numeric
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT max(CASE WHEN jsonb_typeof(said->'score') = 'number' THEN (said->>'score')::numeric ELSE 100 END)
      FROM ledger.journal j, LATERAL (SELECT convert_from(j.payload, 'UTF8')::jsonb) AS decision (said)
     WHERE j.book_id = book AND j.order_id = which AND j.kind = 16 AND j.code = 1010;
$$;

-- Who may what: nobody writes a table.
GRANT SELECT ON authority.policy
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authority FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.policy_at, authority.holds, authority.required, authority.is_staff, authority.score_of
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;

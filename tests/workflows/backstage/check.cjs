// Checks entities, each a JSON file, as Backstage's catalog does; the forms of a software template as well.
const Ajv = require('ajv');
const { readFileSync } = require('node:fs');
const model = require('@backstage/catalog-model');
const template = require('./node_modules/@backstage/plugin-scaffolder-common/dist/Template.v1beta3.schema.json.cjs.js');

const policy = model.EntityPolicies.allOf([
  new model.DefaultNamespaceEntityPolicy(),
  new model.NoForeignRootFieldsEntityPolicy(),
  new model.FieldFormatEntityPolicy(),
  new model.SchemaValidEntityPolicy(),
]);
const kinds = {
  API: model.apiEntityV1alpha1Validator,
  Component: model.componentEntityV1alpha1Validator,
  Template: { check: async entity => model.entityKindSchemaValidator(template.default ?? template)(entity) !== undefined },
};

async function main() {
  for (const file of process.argv.slice(2)) {
    const entity = JSON.parse(readFileSync(file, 'utf8'));
    await policy.enforce(entity);
    if (!(await kinds[entity.kind].check(entity))) throw new Error(`${file} is no ${entity.kind}`);
    // the forms are checked by Ajv, and for draft 7
    for (const page of entity.kind === 'Template' ? entity.spec.parameters : []) {
      new Ajv.default({ strict: false }).compile({ type: 'object', ...page });
    }
  }
}

main().catch(error => {
  console.error(String(error));
  process.exitCode = 1;
});
